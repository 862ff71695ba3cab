"""A connection by SQLAlchemy's engine, for migrations: alembic and `create_all` need one, and nothing else does."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, NullPool, create_engine, event, make_url

from parley.adapters.sql.engine import sqlite
from parley.adapters.sql.engine.postgresql_url import read_url

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_Result = TypeVar("_Result")
# Of the server's defaults. LOCAL ends with the transaction, so a pooler may be in between.
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def run_step(url: str, step: Callable[[Connection], _Result]) -> _Result:
    """The step in one transaction, committed unless it raises. No statement of it has a time limit.

    Rebuilding a large table, and waiting for the process that does it, may take longer than any request.
    """
    if url.startswith("sqlite"):
        return await asyncio.to_thread(_on_sqlite, url, step)
    return await _on_postgresql(url, step)


def _on_sqlite(url: str, step: Callable[[Connection], _Result]) -> _Result:
    file = make_url(url).database or ""
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite.open_file(file), poolclass=NullPool, hide_parameters=True
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        return step(connection)


async def _on_postgresql(url: str, step: Callable[[Connection], _Result]) -> _Result:
    async with postgresql_transaction(url) as connection:
        return await connection.run_sync(step)


@asynccontextmanager
async def postgresql_transaction(url: str) -> AsyncGenerator["AsyncConnection", None]:
    """A transaction of PostgreSQL, committed at its end unless that is an exception. It has no time limit."""
    # Embedded processes need neither.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    from parley.adapters.sql.engine.postgresql import open_driver  # noqa: PLC0415

    address = read_url(url)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args={
            "async_creator_fn": lambda *_, **__: open_driver(address, statement_seconds=None),
            # A pooler may give this connection one whose statements have asyncpg's names already.
            "prepared_statement_name_func": lambda: f"parley_{uuid4()}",
        },
        poolclass=NullPool,
        hide_parameters=True,
        # Under a stricter level a step that waited for another process' would not see what that one did.
        isolation_level="READ COMMITTED",
    )
    try:
        async with engine.begin() as connection:
            for limit in _LIMITS:
                await connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
            yield connection
    finally:
        await engine.dispose()
