"""What is wrong with a Redis that does not do what parley needs: one sentence for each cause."""

import re
import socket
import ssl
from dataclasses import dataclass
from enum import Enum

from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


class Cause(Enum):
    """The kinds of faults. The value completes «Redis …» and says what to do."""

    UNREACHABLE = "does not answer: does the server run there, may this machine reach it, and is rediss:// right?"
    SILENT = "does not answer in time: is it overloaded, does a firewall drop what is sent, or does it speak no TLS?"
    HOST_UNKNOWN = "has a host name that cannot be resolved: is it spelled correctly?"
    CERTIFICATE = (
        "has a TLS certificate that cannot be verified: name its authority with ?ssl_ca_certs=FILE, and its host as in "
        "the certificate"
    )
    TLS = "cannot be reached by TLS: does that port speak it, and does it ask for a certificate of parley's?"
    LOGIN = "refuses the user or password"
    DATABASE = "has no database of that number"
    LOADING = "is still loading its data: wait until it is ready"
    CLIENTS_FULL = "has no free connection: raise its maxclients"
    READ_ONLY = "is a read-only replica: name the primary"
    FULL = "is full and may evict nothing: raise its maxmemory, and set maxmemory-policy to volatile-lru"
    NOT_SAVING = "accepts no writes because it cannot save to disk: free its disk, or turn saving off"
    REPLICAS_MISSING = "accepts no writes because it has too few replicas: see min-replicas-to-write"
    PRIMARY_AWAY = "is a replica that has lost its primary: name the primary"
    CLUSTER = "is in cluster mode, which parley does not use: name a server without it"
    NO_CHANNELS = "passes on no messages: give the user the commands publish and subscribe, and the channels"
    NO_SCRIPTS = "runs no scripts: give the user the commands eval and evalsha"
    FORBIDDEN = "forbids the user a command, key or channel: docs/redis.md lists the rights that parley needs"
    COMMAND_MISSING = "lacks a command: parley needs Redis 6.2 or newer, with no command renamed"
    OTHER = "refuses what parley does"


@dataclass(frozen=True, slots=True)
class Fault:
    """A cause, and the error code by which Redis named it: its own, or the name of the client's exception."""

    cause: Cause
    code: str

    def __str__(self) -> str:
        return f"{self.cause.value} ({self.code})"


_CODE = re.compile("[A-Z]{2,}")
# How Redis 6 reports an error inside a script; later versions put the code first.
_CODE_IN_SCRIPT = re.compile(r"@user_script: ?[0-9]+: -?([A-Z]{3,})\b")
_BY_CODE = {
    "WRONGPASS": Cause.LOGIN,
    "NOAUTH": Cause.LOGIN,
    "LOADING": Cause.LOADING,
    "READONLY": Cause.READ_ONLY,
    "OOM": Cause.FULL,
    "MISCONF": Cause.NOT_SAVING,
    "NOREPLICAS": Cause.REPLICAS_MISSING,
    "MASTERDOWN": Cause.PRIMARY_AWAY,
    "MOVED": Cause.CLUSTER,
    "ASK": Cause.CLUSTER,
    "CROSSSLOT": Cause.CLUSTER,
    "CLUSTERDOWN": Cause.CLUSTER,
    "TRYAGAIN": Cause.CLUSTER,
}
# Errors whose code says too little, by a part of their text.
_BY_TEXT = {
    "cluster mode": Cause.CLUSTER,
    "max number of clients": Cause.CLIENTS_FULL,
    "DB index is out of range": Cause.DATABASE,
    "without any password configured": Cause.LOGIN,
    "unknown command": Cause.COMMAND_MISSING,
    "Unknown Redis command": Cause.COMMAND_MISSING,
    "to access one of the channels": Cause.NO_CHANNELS,
    "to access a channel": Cause.NO_CHANNELS,
    "ACL failure in script": Cause.FORBIDDEN,
    # Redis 6, of a command in a script.
    "can't run this command": Cause.FORBIDDEN,
}
_REFUSED_COMMAND = re.compile("(?:unknown command|permissions to run the) ['`]([A-Za-z]+)")
_BY_COMMAND = {
    "eval": Cause.NO_SCRIPTS,
    "evalsha": Cause.NO_SCRIPTS,
    "script": Cause.NO_SCRIPTS,
    "publish": Cause.NO_CHANNELS,
    "subscribe": Cause.NO_CHANNELS,
    "unsubscribe": Cause.NO_CHANNELS,
}


def error_code(error: RedisError) -> str:
    """The code that Redis put before the error's text, such as NOPERM; the exception's name if it sent none.

    redis-py cuts the codes that it knows off the text. The text may quote data of users, the code cannot.
    """
    text = str(error)
    if in_script := _CODE_IN_SCRIPT.search(text):
        return in_script[1]
    if error.status_code:
        return error.status_code
    first = text.partition(" ")[0]
    return first if _CODE.fullmatch(first) else type(error).__name__


def fault_of(error: RedisError) -> Fault:
    code = error_code(error)
    return Fault(_cause(error, code), code)


def _cause(error: RedisError, code: str) -> Cause:
    if code in _BY_CODE:
        return _BY_CODE[code]
    text = str(error)
    refused = _REFUSED_COMMAND.search(text)
    if refused is not None and refused[1].lower() in _BY_COMMAND:
        return _BY_COMMAND[refused[1].lower()]
    for part, cause in _BY_TEXT.items():
        if part in text:
            return cause
    return Cause.FORBIDDEN if code == "NOPERM" else _cause_of_connection(error)


def _cause_of_connection(error: RedisError) -> Cause:
    below = list(_errors_below(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in below):
        return Cause.CERTIFICATE
    if any(isinstance(each, ssl.SSLError) for each in below):
        return Cause.TLS
    if any(isinstance(each, socket.gaierror) for each in below):
        return Cause.HOST_UNKNOWN
    if isinstance(error, AuthenticationError):
        return Cause.LOGIN
    if isinstance(error, RedisTimeoutError):
        return Cause.SILENT
    return Cause.UNREACHABLE if isinstance(error, RedisConnectionError) else Cause.OTHER


def _errors_below(error: BaseException | None) -> "list[BaseException]":
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
