"""aiosqlite with one visit to its thread a statement.

SQLAlchemy asks aiosqlite for a cursor, an execution, the rows and a close, each a trip to the connection's thread and
back: measured, they cost more than SQLite's own work. Here the execution does all four.

A connection is prepared in its thread while it is opened: a task that is cancelled between two such steps would leave a
connection that nobody closes.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiosqlite

OPEN_SECONDS = 5.0
BUSY_SECONDS = 5.0

Parameters = Sequence[Any]


class Connection(aiosqlite.Connection):
    """As aiosqlite's, for SQLAlchemy's use alone: of a cursor's methods only those that it calls are here."""

    _to_begin = False

    def begin(self) -> None:
        """Take the write lock with the next statement, in the same visit to the thread."""
        self._to_begin = True

    def cursor(self) -> "Cursor":  # type: ignore[override]  # a cursor that needs no await
        return Cursor(self)

    async def rollback(self) -> None:
        # The pool rolls back every connection that it gets back, also after a commit.
        self._to_begin = False
        if self.in_transaction:
            await super().rollback()

    def terminate(self) -> None:
        """Close without waiting, as asyncpg's does."""
        self.stop()

    async def create_function(self, *_: Any, **__: Any) -> None:
        """SQLAlchemy brings `regexp` and `floor` to every connection; no statement here uses them."""

    async def run(self, execute: str, sql: str, parameters: Any) -> tuple[sqlite3.Cursor, list[Any]]:
        """Call that method of sqlite3's connection, in its thread, and fetch every row."""
        done: tuple[sqlite3.Cursor, list[Any]]
        begin, self._to_begin = self._to_begin, False
        done = await self._execute(self._run, begin, execute, sql, parameters)  # type: ignore[no-untyped-call]
        return done

    def _run(self, begin: bool, execute: str, sql: str, parameters: Any) -> tuple[sqlite3.Cursor, list[Any]]:
        if begin:
            # One that writes takes the lock first: it could not get it after it has read.
            self._conn.execute("BEGIN IMMEDIATE")
        cursor = getattr(self._conn, execute)(sql, parameters)
        rows = cursor.fetchall()
        return cursor, rows


class Cursor:
    """A finished statement and its rows."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done: sqlite3.Cursor | None = None
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Parameters = ()) -> Self:
        self._done, self._rows = await self._connection.run("execute", sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Self:
        self._done, self._rows = await self._connection.run("executemany", sql, list(parameters))
        return self

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """The statement is finished and its rows are fetched: there is nothing to close."""

    @property
    def description(self) -> Any:
        return None if self._done is None else self._done.description

    @property
    def rowcount(self) -> int:
        return -1 if self._done is None else self._done.rowcount

    @property
    def lastrowid(self) -> int | None:
        return None if self._done is None else self._done.lastrowid


def connect(file: str) -> Connection:
    """Await the result for an open connection, with a write-ahead log."""
    return Connection(lambda: _opened(file), iter_chunk_size=64)


def _opened(file: str) -> sqlite3.Connection:
    # A file that is made here is its owner's alone, as what it will hold is. SQLite says what is wrong with a path.
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
    # Python's driver would begin transactions by itself, late and never for SELECT; without a level it begins none.
    connection = sqlite3.connect(Path(file), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=True)
    try:
        _switch_to_wal(connection)
        # A 202 is a promise: FULL keeps it through a power failure too.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    last_try = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            # Of processes that open a new file at once one makes the switch, and SQLite does not wait for it by itself.
            if time.monotonic() > last_try:
                raise
            time.sleep(0.01)
        else:
            return
