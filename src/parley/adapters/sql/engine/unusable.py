"""Why parley cannot use a database, in a sentence for the operator."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.engine.causes import UNREACHABLE, cause_of_connecting, cause_of_sqlite, cause_of_state
from parley.adapters.sql.engine.failures import DatabaseFailed, DatabaseUnavailable
from parley.core.errors import Unavailable


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
    found = (_sentence(cause) for cause in _causes(error))
    unknown = UNREACHABLE if isinstance(error, Unavailable) else f"cannot be used: {type(error).__name__}"
    return next((sentence for sentence in found if sentence), unknown)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, DatabaseUnavailable):
        return error.sentence
    if isinstance(error, sqlite3.Error):
        return cause_of_sqlite(error) or f"cannot be used: {error}"
    if isinstance(error, OSError):
        return cause_of_connecting(error)
    return cause_of_state(getattr(error, "sqlstate", None) or "", str(error))
