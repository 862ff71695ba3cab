"""SQLite: one file, many readers beside one writer."""

from typing import Any

from aiosqlite import Connection
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from parley.adapters.sql.engine import sqlite_driver

CONNECTIONS = 5
READ_ONLY = {"parley_read_only": True}


def sqlite_engine(url: str) -> AsyncEngine:
    file = make_url(url).database or ""

    async def opened() -> Connection:
        return await sqlite_driver.connect(file)

    engine = create_async_engine(
        url,
        # Parameters are what people wrote: they stay out of errors, and so out of logs.
        hide_parameters=True,
        pool_size=CONNECTIONS,
        max_overflow=0,
        async_creator=opened,
    )
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Any) -> None:
    # Nothing that is read in one unit of work needs a snapshot: without a transaction a read is one visit to the thread
    # and not three.
    if not connection.get_execution_options().get("parley_read_only", False):
        connection.connection.driver_connection.begin()
