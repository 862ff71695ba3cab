"""Translation of drivers' errors into errors of the core; nothing else reads them."""

import sqlite3
from typing import Any

from parley.adapters.sql.engine.causes import FULL_POOLER, cause_of_connecting, cause_of_sqlite, cause_of_state
from parley.core.errors import AccountGone, Unavailable

# Beginnings of SQLSTATE codes. These concern one statement or transaction and say nothing of the next one.
_SINGLE = ("40", "55P03", "57014")
# These concern what a statement does; connecting, and other statements, may go on.
_OF_STATEMENTS = ("25006", "26000", "42501", "42P05", "53100", "58", "XX")
_NOT_YET = frozenset({"53300", "57P03"})


class DatabaseUrlInvalid(ValueError):
    """The message is a sentence for the operator that holds nothing of the URL but names of parameters."""


class DatabaseFailed(Exception):
    """The database refused a statement for a reason that no request can be blamed for. It holds no values."""


class NullRefused(DatabaseFailed):
    """A column that must have a value would have had none, so the statement changed nothing."""


class TableMissing(DatabaseFailed):
    """The statement names a table that the database does not have."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be used now. `sentence` is one of `causes`."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"the database {sentence}")
        self.sentence = sentence


class StatementGivenUp(DatabaseUnavailable):
    """One statement or transaction was ended; the same may succeed at once."""


class StatementsRefused(DatabaseUnavailable):
    """The database answers, and refuses some statements, such as those that write."""


class NoConnectionYet(DatabaseUnavailable):
    """The server, or a pooler, has no connection left, or is starting; those that are open work."""


def sqlite_failure(error: sqlite3.Error) -> Exception:
    """Unavailable, AccountGone or DatabaseFailed, to be raised from the error."""
    name = getattr(error, "sqlite_errorname", None) or ""
    sentence = cause_of_sqlite(error)
    if sentence is not None:
        return (StatementGivenUp if name.startswith("SQLITE_BUSY") else StatementsRefused)(sentence)
    if name == "SQLITE_CONSTRAINT_FOREIGNKEY":
        # SQLite does not say which key. Rows of all others are written after a lock on what they refer to.
        return AccountGone()
    return TableMissing() if str(error).startswith("no such table") else DatabaseFailed(name)


def postgresql_failure(error: Any) -> Exception:
    """The same for what the server reports, an asyncpg.PostgresError."""
    # The detail quotes the row, and so what people wrote: it stays out of logs.
    error.detail = None
    code = error.sqlstate or ""
    sentence = cause_of_state(code, str(error))
    if sentence is not None:
        return _kind(code, sentence)(sentence)
    if code == "23503" and (error.constraint_name or "").endswith("_account_id"):
        return AccountGone()
    failed = {"42P01": TableMissing, "23502": NullRefused}.get(code, DatabaseFailed)
    return failed(code)


def _kind(code: str, sentence: str) -> type[DatabaseUnavailable]:
    if code.startswith(_SINGLE):
        return StatementGivenUp
    if code.startswith(_OF_STATEMENTS):
        return StatementsRefused
    # A pooler's own error has another code.
    is_full = code in _NOT_YET or sentence == FULL_POOLER
    return NoConnectionYet if is_full else DatabaseUnavailable


def connecting_failure(error: BaseException) -> DatabaseUnavailable:
    """For an OSError while a connection is opened or used."""
    return DatabaseUnavailable(cause_of_connecting(error))
