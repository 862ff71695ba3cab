"""What the database refuses or fails at, in the core's words: the one place that reads its errors."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from parley.core.errors import AccountGone, Unavailable

# Beginnings of SQLSTATE codes. They pass, or an operator must see to them; the request was not wrong.
_UNAVAILABLE = (
    "08",  # the connection broke
    "25006",  # a standby: it takes no writes until it is promoted
    "28",  # the password is not accepted
    "3D000",  # the database is not there
    "40",  # chosen as the victim of a deadlock
    "53",  # too many connections, a full disk, no memory
    "57",  # shutting down, starting up, or cancelled for taking too long
)


class DatabaseUrlInvalid(ValueError):
    """The message is a sentence for the operator that holds nothing of the URL but names of parameters."""


@contextmanager
def translated_errors() -> Generator[None, None, None]:
    """Raises Unavailable for a database that cannot be reached or asked now, AccountGone for rows of no account."""
    try:
        yield
    except NoConnectionFree as error:
        raise Unavailable from error
    except OSError as error:
        # Refused, no such host, or silent for too long: asyncpg leaves these as they are.
        raise Unavailable from error
    except DBAPIError as error:
        _hide_row(error.orig)
        if error.connection_invalidated or _is_unavailable(error.orig):
            raise Unavailable from error
        if _is_account_gone(error.orig):
            raise AccountGone from error
        raise


def _hide_row(error: BaseException | None) -> None:
    """PostgreSQL's detail quotes the row, and so what people wrote: it stays out of logs, as the parameters do."""
    reported: Any = getattr(error, "__cause__", None)
    if hasattr(reported, "detail"):
        reported.detail = None


def _is_unavailable(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    return (getattr(error, "sqlstate", None) or "").startswith(_UNAVAILABLE)


def _is_account_gone(error: BaseException | None) -> bool:
    """Whether a row refers to an account that was erased while the request ran."""
    if isinstance(error, sqlite3.Error):
        # SQLite does not say which key. Rows of all others are written after a lock on what they refer to.
        return getattr(error, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_FOREIGNKEY"
    violated = getattr(error, "__cause__", None)
    return (getattr(violated, "constraint_name", None) or "").endswith("_account_id") and (
        getattr(error, "sqlstate", None) == "23503"
    )
