"""What a driver's errors mean to the core: the one place that reads them."""

import sqlite3
from typing import Any

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


class DatabaseFailed(Exception):
    """The database refused a statement for a reason that no request can be blamed for. It holds no values."""


class NullRefused(DatabaseFailed):
    """A column that must have a value would have had none, so the statement changed nothing."""


class TableMissing(DatabaseFailed):
    """The statement names a table that the database does not have."""


def sqlite_failure(error: sqlite3.Error) -> Exception:
    """Unavailable, AccountGone or DatabaseFailed, to be raised from the error."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return Unavailable()
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        # SQLite does not say which key. Rows of all others are written after a lock on what they refer to.
        return AccountGone()
    return TableMissing() if str(error).startswith("no such table") else DatabaseFailed(name)


def postgresql_failure(error: Any) -> Exception:
    """The same for what the server reports, an asyncpg.PostgresError."""
    # The detail quotes the row, and so what people wrote: it stays out of logs.
    error.detail = None
    code = error.sqlstate or ""
    if code.startswith(_UNAVAILABLE):
        return Unavailable()
    if code == "23503" and (error.constraint_name or "").endswith("_account_id"):
        return AccountGone()
    kind = {"42P01": TableMissing, "23502": NullRefused}.get(code, DatabaseFailed)
    return kind(code)
