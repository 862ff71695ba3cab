"""Connections and transactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from aiosqlite import Connection
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from parley.adapters.sql import sqlite_driver

SQLITE_BUSY_MILLISECONDS = 5_000
SQLITE_CONNECTIONS = 5


class Database:
    """One pool of connections. Make it inside the running event loop, and `close` it there."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        # SQLite has one writer at a time. Waiting for the turn here is fair and quick; its own wait polls.
        self._writers_turn = asyncio.Lock() if self.engine.dialect.name == "sqlite" else None

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection, None]:
        """A connection with a transaction open, rolled back at the end unless it was committed."""
        async with self._turn(read_only), self.engine.connect() as connection:
            await connection.execution_options(parley_read_only=read_only)
            async with connection.begin() as transaction:
                yield connection
                if transaction.is_active:
                    await transaction.rollback()

    def _turn(self, read_only: bool) -> AbstractAsyncContextManager[Any]:
        return nullcontext() if read_only or self._writers_turn is None else self._writers_turn

    async def answers(self) -> bool:
        """Whether the database answers a query now."""
        try:
            async with self.transaction(read_only=True) as connection:
                await connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    async def close(self) -> None:
        await self.engine.dispose()


def _engine(url: str) -> AsyncEngine:
    if not url.startswith("sqlite"):
        return create_async_engine(url, hide_parameters=True)
    # Parameters are what people wrote: they stay out of errors, and so out of logs.
    file = make_url(url).database or ""

    async def opened() -> Connection:
        return await sqlite_driver.connect(file)

    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=SQLITE_CONNECTIONS,
        max_overflow=0,
        async_creator=opened,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Python's driver would begin transactions by itself, late and never for SELECT: _begin_sqlite does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # A 202 is a promise: FULL keeps it through a power failure too.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    read_only = connection.get_execution_options().get("parley_read_only", False)
    # A transaction that writes takes the write lock first: one that reads before it writes could not get it later.
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
