"""PostgreSQL by asyncpg: URLs as people have them, and a pool that lives through a restart of the server."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
from sqlalchemy import event, make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from parley.adapters.sql.engine.failures import DatabaseUrlInvalid

# A server takes 100 connections unless told otherwise: so this is right for six processes. More connections would
# not be quicker: ten keep every core of a common server busy.
CONNECTIONS = 10
MOST_CONNECTIONS = 15
# Who waits longer for a connection is better told to come again.
POOL_SECONDS = 10.0
CONNECT_SECONDS = 10.0
# Balancers and firewalls forget silent connections, often after an hour, and tell neither side.
RECYCLE_SECONDS = 1_800
# Without a transaction a read needs no BEGIN and no ROLLBACK: one round trip where there were three. Nothing that is
# read in one unit of work needs a snapshot: READ COMMITTED would not give one either.
READ_ONLY = {"isolation_level": "AUTOCOMMIT"}

_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_FOR_ASYNCPG = frozenset({
    "host", "port", "user", "password", "dbname", "database", "passfile", "service", "krbsrvname", "gsslib",
    "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs",
})  # fmt: skip
_FOR_SERVER = frozenset({"application_name", "options", "search_path", "statement_timeout", "lock_timeout"})
_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"})
# What libpq does only if it can, asyncpg does without.
_OPTIONAL = {"channel_binding": {"prefer", "disable"}, "gssencmode": {"prefer", "disable"}}


def postgresql_engine(url: str, *, statement_seconds: float | None) -> AsyncEngine:
    """Connections are opened when they are needed. Raises DatabaseUrlInvalid, and so may opening one."""
    dsn, connect_seconds = read_url(url)

    async def opened() -> Any:
        try:
            return await asyncpg.connect(dsn, timeout=connect_seconds, command_timeout=statement_seconds)
        except asyncpg.ClientConfigurationError as error:
            raise DatabaseUrlInvalid(f"It cannot be used: {error}.") from error

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=opened,
        # Parameters are what people wrote: they stay out of errors, and so out of logs.
        hide_parameters=True,
        pool_size=CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - CONNECTIONS,
        pool_timeout=POOL_SECONDS,
        pool_recycle=RECYCLE_SECONDS,
        # The last one used again: those that a burst opened grow old and go.
        pool_use_lifo=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def read_url(url: str) -> tuple[str, float]:
    """The URL as asyncpg takes it, and how many seconds opening a connection may take. Raises DatabaseUrlInvalid."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise DatabaseUrlInvalid("It must begin with sqlite:/// or postgresql://.")
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: what could not be read may be a piece of the password.
        raise DatabaseUrlInvalid(
            "It cannot be read: write postgresql://user:password@host:port/database, one host, "
            "with %XX for special characters in the password."
        ) from None
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    connect_seconds = _connect_seconds(parameters.pop("connect_timeout", ""))
    if "ssl" in parameters:
        # As SQLAlchemy's own URLs for asyncpg spell it.
        parameters["sslmode"] = parameters.pop("ssl")
    taken = {name: value for name, value in parameters.items() if _is_taken(name, value)}
    # Some are rewritten here, so all are: asyncpg decodes what urlencode encodes.
    dsn = parts._replace(scheme="postgresql", query=urlencode(taken), fragment="").geturl()
    return dsn, connect_seconds


def _connect_seconds(given: str) -> float:
    if given and not given.isdecimal():
        raise DatabaseUrlInvalid("connect_timeout must be a whole number of seconds.")
    # libpq waits for ever at 0; nobody who calls here would.
    return float(given or 0) or CONNECT_SECONDS


def _is_taken(name: str, value: str) -> bool:
    """Whether to pass the parameter on; not if leaving it out is the same."""
    if value in _OPTIONAL.get(name, ()):
        return False
    if name == "sslmode" and value not in _SSL_MODES:
        raise DatabaseUrlInvalid(f"sslmode must be one of {', '.join(sorted(_SSL_MODES))}.")
    if name in _FILES and not Path(value).is_file():
        raise DatabaseUrlInvalid(f"{name} names a file that is not there.")
    if name in _OPTIONAL:
        raise DatabaseUrlInvalid(f"{name} must be left out, prefer or disable: the driver here has nothing else.")
    if name not in _FOR_ASYNCPG | _FOR_SERVER:
        raise DatabaseUrlInvalid(f"The parameter {name} means nothing here: leave it out.")
    return True


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool open new connections when the server closed this one, as a restart does with all of them.

    pool_pre_ping would find that out by three round trips before every unit of work. The socket tells it for none;
    what it cannot tell, a silent network, statement_seconds bounds.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
