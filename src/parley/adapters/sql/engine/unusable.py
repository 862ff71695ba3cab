"""Why parley cannot use a database, in a sentence for the operator."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.core.errors import Unavailable

_SQLITE = {
    "SQLITE_NOTADB": "is not a SQLite database: name another file, or a new one",
    "SQLITE_CORRUPT": "is damaged: restore a backup",
    "SQLITE_CANTOPEN": "cannot be opened: its folder must exist, and this user must be able to write there",
    "SQLITE_READONLY": "is read-only: let this user write the file and its folder",
    "SQLITE_BUSY": "is locked by another program: end that program",
    "SQLITE_FULL": "cannot be written: the disk is full",
}
# Beginnings of SQLSTATE codes.
_POSTGRESQL = {
    "28": "does not accept the user or the password",
    "3D000": "does not exist: create the database first",
    "3F000": "has no schema to make tables in: create the first schema of search_path",
    "42501": "does not let this user read or make tables: grant the rights on its schema",
}


class DatabaseUnusable(Exception):
    """This version of parley cannot use the database.

    The message continues a sentence that begins with the database's name, and says what to do.
    """


@contextmanager
def driver_errors_explained() -> Generator[None, None, None]:
    """Raise DatabaseUnusable for every failure to open, read or change a database."""
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise DatabaseUnusable(reason) from error


def _reason(error: BaseException) -> str | None:
    """None for an error that is not the database's."""
    if not isinstance(error, sqlite3.Error | SQLAlchemyError | DatabaseFailed | Unavailable) and not hasattr(
        error, "sqlstate"
    ):
        return None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error):
            return _sqlite_reason(cause)
        state = getattr(cause, "sqlstate", None) or ""
        for beginning, reason in _POSTGRESQL.items():
            if state.startswith(beginning):
                return reason
        cause = cause.__cause__
    if isinstance(error, Unavailable):
        return "does not answer: start the server, and let this machine connect to it"
    return f"cannot be used: {type(error).__name__}"


def _sqlite_reason(error: sqlite3.Error) -> str:
    # Extended names begin with these, such as SQLITE_READONLY_DBMOVED.
    name = getattr(error, "sqlite_errorname", "")
    found = (reason for beginning, reason in _SQLITE.items() if name.startswith(beginning))
    return next(found, f"cannot be used: {error}")
