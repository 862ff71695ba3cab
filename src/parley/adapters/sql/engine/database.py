"""Connections and transactions: what every store runs its statements with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Column, Dialect, MetaData, String, Table, make_url, select

from parley.adapters.sql.engine import sqlite
from parley.adapters.sql.engine.failures import DatabaseFailed, DatabaseUnavailable
from parley.adapters.sql.engine.outages import DatabaseOutages
from parley.adapters.sql.engine.pool import Connection, Pool
from parley.adapters.sql.engine.postgresql_url import read_url
from parley.adapters.sql.engine.statements import POSTGRESQL, SQLITE, Statement
from parley.core.errors import Unavailable

# Far above what any statement here takes. A statement that takes longer fails, and its connection is freed.
STATEMENT_SECONDS = 30.0
# See the settings DATABASE_CONNECTIONS and DATABASE_IDLE_SECONDS.
CONNECTIONS = 15
IDLE_SECONDS = 10.0

# As alembic makes it.
version_table = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
REVISION_OF_DATABASE = Statement(select(version_table.c.version_num))


class Transaction:
    """Runs statements; without `commit` they have no effect. Columns are read by index or name.

    Methods raise Unavailable when the database cannot be reached or answers too late, AccountGone for a row of an
    account that has been erased, DatabaseFailed for everything else.
    """

    def __init__(self, connection: Connection, dialect: Dialect, *, begin: bool) -> None:
        self.connection = connection
        self._dialect = dialect
        self._begin = begin
        self._is_over = False
        self.is_committed = False

    @property
    def one_statement_suffices(self) -> bool:
        """As `Database.one_statement_suffices`."""
        return self._dialect is POSTGRESQL

    async def all(self, statement: Statement, /, **values: Any) -> list[Any]:
        compiled = statement.compiled(self._dialect)
        self._refuse_after_commit()
        rows = await self.connection.fetch(compiled.text, compiled.arguments(values), begin=self._begin)
        return compiled.rows(rows)

    async def one_or_none(self, statement: Statement, /, **values: Any) -> Any:
        """The only row, or None. A second row is an error of the statement."""
        rows = await self.all(statement, **values)
        if not rows:
            return None
        (row,) = rows
        return row

    async def scalar(self, statement: Statement, /, **values: Any) -> Any:
        """The first value of the only row, or None without a row."""
        row = await self.one_or_none(statement, **values)
        return None if row is None else row[0]

    async def scalars(self, statement: Statement, /, **values: Any) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in await self.all(statement, **values)]

    async def execute(self, statement: Statement, /, **values: Any) -> int:
        """Returns how many rows it changed."""
        compiled = statement.compiled(self._dialect)
        self._refuse_after_commit()
        return await self.connection.execute(compiled.text, compiled.arguments(values), begin=self._begin)

    async def commit(self) -> None:
        """Raises when it is not certain that all of it has happened."""
        self._is_over = True
        await self.connection.commit()
        self.is_committed = True

    def _refuse_after_commit(self) -> None:
        if self._is_over:
            raise RuntimeError("the transaction is over")


class Database:
    """One database by its URL. Connections come with their first use; `close` it in the same event loop.

    On PostgreSQL there are up to `connections`, closed when idle for `idle_seconds`, and `statement_seconds` bounds
    each statement, including the wait for a server that went silent; None means no limit. Raises DatabaseUrlInvalid.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = CONNECTIONS,
        idle_seconds: float | None = IDLE_SECONDS,
        statement_seconds: float | None = STATEMENT_SECONDS,
        outages: DatabaseOutages | None = None,
    ) -> None:
        self.url = url
        self._outages = outages or DatabaseOutages()
        self._writers: Pool[Any]
        self._readers: Pool[Any]
        if url.startswith("sqlite"):
            self._dialect = SQLITE
            self._writers, self._readers = sqlite.pools(make_url(url).database or "")
        else:
            # asyncpg takes a tenth of a second to import.
            from parley.adapters.sql.engine import postgresql  # noqa: PLC0415

            self._dialect = POSTGRESQL
            self._writers = self._readers = postgresql.pool(
                read_url(url),
                connections=connections,
                idle_seconds=idle_seconds,
                statement_seconds=statement_seconds,
                outages=self._outages,
            )

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[Transaction, None]:
        """A transaction, rolled back at the end unless it was committed.

        A `single` one is for a step that is one statement where `one_statement_suffices`, and has no BEGIN there unless
        the server's default level asks for one. It is committed at its end.

        Reads need no common snapshot, so a read-only transaction omits BEGIN and ROLLBACK, and each read is one round
        trip. Raises what the methods of Transaction do.
        """
        pool = self._readers if read_only else self._writers
        try:
            connection = await pool.acquire()
            try:
                begin = not read_only and not (single and self._dialect is POSTGRESQL)
                transaction = Transaction(connection, self._dialect, begin=begin)
                yield transaction
                if single:
                    await transaction.commit()
            finally:
                await pool.release(connection)
        except DatabaseUnavailable as failure:
            self._outages.noticed(failure)
            raise
        self._outages.worked(committed=transaction.is_committed)

    @property
    def one_statement_suffices(self) -> bool:
        """Whether one statement may change several tables, as in PostgreSQL, where each is a trip to the server."""
        return self._dialect is POSTGRESQL

    @property
    def in_use(self) -> int:
        """How many connections are in use now."""
        return sum(pool.in_use for pool in {self._writers, self._readers})

    @property
    def open_connections(self) -> int:
        """How many connections are open now, in use or idle."""
        return sum(pool.open for pool in {self._writers, self._readers})

    async def answers(self) -> bool:
        """Whether the database answers now and has its tables: SQLite makes an empty file in place of a lost one."""
        try:
            async with self.transaction(read_only=True) as transaction:
                await transaction.scalar(REVISION_OF_DATABASE)
        except (DatabaseFailed, Unavailable):
            return False
        return True

    async def close(self) -> None:
        for pool in {self._writers, self._readers}:
            await pool.close()
