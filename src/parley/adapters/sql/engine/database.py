"""Connections and transactions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.failures import translated_errors
from parley.adapters.sql.engine.sqlite import READ_ONLY, sqlite_engine
from parley.core.errors import Unavailable

# Far above what any statement here takes; under it a request fails and gives its connection back.
STATEMENT_SECONDS = 30.0


class Database:
    """One pool of connections. Connections come with their first use; `close` it in the same event loop.

    `statement_seconds` bounds each statement on PostgreSQL, the silence of a lost server with it; None is no bound.
    """

    def __init__(self, url: str, *, statement_seconds: float | None = STATEMENT_SECONDS) -> None:
        self.url = url
        self._read_only: dict[str, Any] = READ_ONLY
        # Who waits here is served in order. SQLite's own wait for its one writer polls, and in SQLAlchemy's pool a
        # newcomer may overtake those who wait, until they have waited for too long.
        self._turns = asyncio.Semaphore(1)
        self._patience: float | None = None
        self._readers_wait = False
        if url.startswith("sqlite"):
            self.engine = sqlite_engine(url)
        else:
            # asyncpg takes a tenth of a second to import.
            from parley.adapters.sql.engine import postgresql  # noqa: PLC0415

            self.engine = postgresql.postgresql_engine(url, statement_seconds=statement_seconds)
            self._read_only = postgresql.READ_ONLY
            self._turns = asyncio.Semaphore(postgresql.MOST_CONNECTIONS)
            self._patience = postgresql.POOL_SECONDS
            self._readers_wait = True
        self._open: set[Any] = set()
        event.listen(self.engine.sync_engine, "connect", self._opened)
        event.listen(self.engine.sync_engine, "close", self._closed)

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection, None]:
        """A connection with a transaction open, rolled back at the end unless it was committed.

        Raises Unavailable when the database cannot be reached or answers too late, AccountGone for a row of an
        account that has been erased.
        """
        with translated_errors():
            async with self._turn(read_only), self.engine.connect() as connection:
                if read_only:
                    await connection.execution_options(**self._read_only)
                async with connection.begin() as transaction:
                    yield connection
                    if transaction.is_active:
                        await transaction.rollback()

    @asynccontextmanager
    async def _turn(self, read_only: bool) -> AsyncGenerator[None, None]:
        if read_only and not self._readers_wait:
            yield
            return
        async with asyncio.timeout(self._patience):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def answers(self) -> bool:
        """Whether the database answers now and has its tables: SQLite makes an empty file in place of a lost one."""
        try:
            async with self.transaction(read_only=True) as connection:
                await connection.execute(text("SELECT version_num FROM alembic_version"))
        except (SQLAlchemyError, Unavailable):
            return False
        return True

    async def close(self) -> None:
        await self.engine.dispose()
        # The pool forgets those still with tasks: a cancelled one gives its connection back later than it ends.
        for connection in self._open:
            connection.terminate()
        self._open.clear()

    def _opened(self, connection: Any, _record: object) -> None:
        self._open.add(connection.driver_connection)

    def _closed(self, connection: Any, _record: object) -> None:
        self._open.discard(connection.driver_connection)
