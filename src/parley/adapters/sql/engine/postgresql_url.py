"""URLs of PostgreSQL as people have them."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from parley.adapters.sql.engine.failures import DatabaseUrlInvalid

CONNECT_SECONDS = 10.0
# asyncpg's own default.
CACHED_STATEMENTS = 100

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


@dataclass(frozen=True, slots=True)
class Address:
    """What asyncpg is given to open a connection.

    `connect_seconds` is how long that may take. With 0 `cached_statements` none is prepared for later use.
    """

    dsn: str
    connect_seconds: float = CONNECT_SECONDS
    cached_statements: int = CACHED_STATEMENTS


def read_url(url: str) -> Address:
    """Raises DatabaseUrlInvalid."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise DatabaseUrlInvalid("It must begin with sqlite:/// or postgresql://.")
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: what could not be read may be a part of the password.
        raise DatabaseUrlInvalid(
            "It cannot be read: write postgresql://user:password@host:port/database, one host, "
            "with %XX for special characters in the password."
        ) from None
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    # libpq waits for ever at 0; nobody who calls here would.
    connect_seconds = float(_whole_number(parameters, "connect_timeout", 0)) or CONNECT_SECONDS
    cached_statements = _whole_number(parameters, "statement_cache_size", CACHED_STATEMENTS)
    if "ssl" in parameters:
        # As SQLAlchemy's own URLs for asyncpg spell it.
        parameters["sslmode"] = parameters.pop("ssl")
    taken = {name: value for name, value in parameters.items() if _is_taken(name, value)}
    # Some are rewritten here, so all are: asyncpg decodes what urlencode encodes.
    dsn = parts._replace(scheme="postgresql", query=urlencode(taken), fragment="").geturl()
    return Address(dsn, connect_seconds, cached_statements)


def _whole_number(parameters: dict[str, str], name: str, default: int) -> int:
    given = parameters.pop(name, "")
    if given and not given.isdecimal():
        raise DatabaseUrlInvalid(f"{name} must be a whole number.")
    return int(given or default)


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
