"""The causes that errors of Redis stand for."""

import socket
import ssl

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from parley.adapters.redis.client.faults import Cause, error_code, fault_of


def answered(line: str) -> RedisError:
    """The exception that the client library makes of an error that Redis sent."""
    return BaseParser.parse_error(line)


# Of Redis 6.2, 7.0 and 7.2, as those sent them.
IN_SCRIPT = "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: "
ANSWERS = [
    ("READONLY You can't write against a read only replica.", "READONLY", Cause.READ_ONLY),
    (f"{IN_SCRIPT}-READONLY You can't write against a read only replica.", "READONLY", Cause.READ_ONLY),
    (
        "READONLY You can't write against a read only replica. script: 1, on @user_script:3.",
        "READONLY",
        Cause.READ_ONLY,
    ),
    ("OOM command not allowed when used memory > 'maxmemory'.", "OOM", Cause.FULL),
    ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to", "MISCONF", Cause.NOT_SAVING),
    ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", Cause.REPLICAS_MISSING),
    ("MASTERDOWN Link with MASTER is down", "MASTERDOWN", Cause.PRIMARY_AWAY),
    ("LOADING Redis is loading the dataset in memory", "LOADING", Cause.LOADING),
    ("WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS", Cause.LOGIN),
    ("NOAUTH Authentication required.", "NOAUTH", Cause.LOGIN),
    ("ERR max number of clients reached", "ERR", Cause.CLIENTS_FULL),
    ("ERR DB index is out of range", "ERR", Cause.DATABASE),
    ("MOVED 3999 127.0.0.1:6381", "MOVED", Cause.CLUSTER),
    ("CROSSSLOT Keys in request don't hash to the same slot", "CROSSSLOT", Cause.CLUSTER),
    ("CLUSTERDOWN Hash slot not served", "CLUSTERDOWN", Cause.CLUSTER),
    ("ERR SELECT is not allowed in cluster mode", "ERR", Cause.CLUSTER),
    ("NOPERM this user has no permissions to run the 'eval' command", "NOPERM", Cause.NO_SCRIPTS),
    ("NOPERM User parley has no permissions to run the 'evalsha' command", "NOPERM", Cause.NO_SCRIPTS),
    ("NOPERM this user has no permissions to run the 'subscribe' command", "NOPERM", Cause.NO_CHANNELS),
    ("NOPERM this user has no permissions to access one of the channels used", "NOPERM", Cause.NO_CHANNELS),
    ("NOPERM No permissions to access a channel", "NOPERM", Cause.NO_CHANNELS),
    ("NOPERM No permissions to access a key", "NOPERM", Cause.FORBIDDEN),
    ("NOPERM User parley has no permissions to run the 'xadd' command", "NOPERM", Cause.FORBIDDEN),
    (f"{IN_SCRIPT}The user executing the script can't run this command or subcommand", "ERR", Cause.FORBIDDEN),
    ("ERR unknown command 'EVAL', with args beginning with: 'publish' ", "ERR", Cause.NO_SCRIPTS),
    ("ERR unknown command `XADD`, with args beginning with: `parley:queue`, ", "ERR", Cause.COMMAND_MISSING),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE", Cause.OTHER),
    ("Something without a code", "ResponseError", Cause.OTHER),
]


@pytest.mark.parametrize(("line", "code", "cause"), ANSWERS)
def test_code_and_cause_of_an_error_that_redis_sent(line, code, cause):
    error = answered(line)
    assert error_code(error) == code
    assert fault_of(error).cause is cause


def caused(error: RedisError, by: Exception) -> RedisError:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RedisConnectionError("Error 111 connecting to redis:6379."), Cause.UNREACHABLE),
        (RedisTimeoutError("Timeout connecting to server"), Cause.SILENT),
        (caused(RedisConnectionError(), socket.gaierror()), Cause.HOST_UNKNOWN),
        (caused(RedisConnectionError(), ssl.SSLCertVerificationError()), Cause.CERTIFICATE),
        (caused(RedisConnectionError(), ssl.SSLError()), Cause.TLS),
    ],
)
def test_cause_of_a_connection_that_failed(error, cause):
    assert fault_of(error).cause is cause
    assert error_code(error) == type(error).__name__


def test_every_cause_is_one_sentence_of_its_own():
    sentences = [cause.value for cause in Cause]
    assert len(set(sentences)) == len(sentences)
