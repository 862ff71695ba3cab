"""SQLite by sqlite3: one file, many readers beside one writer, and a thread for each connection.

A statement, the lock before it and the rows after it are one visit to the thread: visits cost more than SQLite's own
work.
"""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from parley.adapters.sql.engine import forward_clock
from parley.adapters.sql.engine.failures import sqlite_failure
from parley.adapters.sql.engine.pool import Pool

READERS = 4
OPEN_SECONDS = 5.0
BUSY_SECONDS = 5.0
CACHED_STATEMENTS = 256

_Result = TypeVar("_Result")
_Outcome = tuple[Any, BaseException | None]


def pools(file: str) -> tuple["Pool[SqliteConnection]", "Pool[SqliteConnection]"]:
    """The writer's and the readers'. Writers wait for each other in order; SQLite's own wait for its lock polls."""

    async def connect() -> SqliteConnection:
        return await SqliteConnection.opened(file)

    return Pool(connect, size=1), Pool(connect, size=READERS)


class SqliteConnection:
    """A Connection whose statements run in its own thread, in the order in which they are given."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._driver: sqlite3.Connection
        self._begun = False
        self._closed: asyncio.Future[None] | None = None
        self.is_open = True
        threading.Thread(target=self._work, name="parley-sqlite", daemon=True).start()

    @classmethod
    async def opened(cls, file: str) -> "SqliteConnection":
        connection = cls()
        try:
            await connection._call(lambda: connection._open(file))
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def fetch(self, text: str, arguments: Sequence[Any], *, begin: bool) -> list[Any]:
        begin = self._begins(begin)
        return await self._call(lambda: self._execute(text, arguments, begin=begin).fetchall())

    async def execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> int:
        begin = self._begins(begin)
        return await self._call(lambda: self._execute(text, arguments, begin=begin).rowcount)

    async def commit(self) -> None:
        if self._begun:
            await self._call(lambda: self._driver.execute("COMMIT"))
            self._begun = False

    async def rollback(self) -> None:
        # Also after a statement whose task was cancelled: it has ended when the thread comes to this.
        if self._begun:
            await self._call(self._roll_back)
            self._begun = False

    async def close(self) -> None:
        await self._end()

    def terminate(self) -> None:
        self._end()

    def _begins(self, begin: bool) -> bool:
        first = begin and not self._begun
        self._begun = self._begun or begin
        return first

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await self._send(work)
        except sqlite3.Error as error:
            raise sqlite_failure(error) from error

    def _send(self, work: Callable[[], _Result]) -> "asyncio.Future[_Result]":
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._calls.put((done, work))
        return done

    def _end(self) -> "asyncio.Future[None]":
        self.is_open = False
        if self._closed is None:
            self._closed = self._send(self._close)
            self._calls.put(None)
        return self._closed

    # What follows runs in the thread.

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            done, work = call
            outcome = _outcome(work)
            # A loop that is closed has no task that waits.
            with suppress(RuntimeError):
                done.get_loop().call_soon_threadsafe(_set, done, outcome)
            del call, done, work, outcome

    def _open(self, file: str) -> None:
        self._driver = open_file(file)

    def _close(self) -> None:
        if hasattr(self, "_driver"):
            self._driver.close()

    def _execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> sqlite3.Cursor:
        if begin:
            # A transaction that writes takes the lock first: it could not get it after it has read.
            self._driver.execute("BEGIN IMMEDIATE")
        return self._driver.execute(text, arguments)

    def _roll_back(self) -> None:
        if self._driver.in_transaction:
            self._driver.execute("ROLLBACK")


def open_file(file: str) -> sqlite3.Connection:
    """A connection for the calling thread, with a write-ahead log. It begins no transaction by itself."""
    # Only its owner may read a file that is made here. SQLite says what is wrong with a path.
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(
        Path(file), timeout=BUSY_SECONDS, isolation_level=None, cached_statements=CACHED_STATEMENTS
    )
    try:
        _switch_to_wal(connection)
        # A 202 is a promise: FULL keeps it through a power failure too.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function(forward_clock.SQL_NAME, 1, forward_clock.PROCESS_CLOCK.text)
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


def _outcome(work: Callable[[], Any]) -> _Outcome:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001  raised where the result is awaited
        return None, error


def _set(done: "asyncio.Future[Any]", outcome: _Outcome) -> None:
    if done.done():
        return
    result, error = outcome
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
