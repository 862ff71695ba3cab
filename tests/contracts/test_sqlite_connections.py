"""Connections to SQLite: their threads, and what a cancelled task leaves behind."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseFailed, DatabaseUnavailable, TableMissing, sqlite_failure
from parley.adapters.sql.engine.statements import Statement
from parley.core.errors import Unavailable

CREATE = Statement(text("CREATE TABLE numbers (number INTEGER UNIQUE)"))
ADD = Statement(text("INSERT INTO numbers VALUES (:number)"))
COUNT = Statement(text("SELECT count(*) FROM numbers"))
# Takes long enough to be cancelled while it runs.
SLOW = Statement(
    text(
        "INSERT INTO numbers WITH RECURSIVE far (number) AS "
        "(SELECT 10 UNION ALL SELECT number + 1 FROM far LIMIT 300000) SELECT number FROM far"
    )
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncGenerator[Database, None]:
    made = Database(f"sqlite:///{tmp_path / 'numbers.db'}")
    async with made.transaction() as transaction:
        await transaction.execute(CREATE)
        await transaction.commit()
    yield made
    await made.close()


async def count(database: Database) -> int:
    async with database.transaction(read_only=True) as transaction:
        return await transaction.scalar(COUNT)


async def add(database: Database, number: int) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(ADD, number=number)
        await transaction.commit()


async def test_transaction_of_a_cancelled_task_is_rolled_back_and_keeps_no_other_waiting(database):
    started = asyncio.Event()

    async def add_many() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, number=1)
            started.set()
            await transaction.execute(SLOW)
            pytest.fail("it was to be cancelled")

    task = asyncio.create_task(add_many())
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await add(database, 1)
    assert await count(database) == 1
    assert database.in_use == 0


async def test_database_is_closed_while_a_statement_runs(database):
    async def add_many() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(SLOW)

    task = asyncio.create_task(add_many())
    await asyncio.sleep(0)
    await database.close()
    await task
    assert await count(database) == 0


async def test_closed_database_has_no_threads(database):
    await asyncio.gather(*(count(database) for _ in range(4)), add(database, 1))
    assert "parley-sqlite" in {thread.name for thread in threading.enumerate()}
    await database.close()
    for thread in threading.enumerate():
        if thread.name == "parley-sqlite":
            thread.join(timeout=5)
            assert not thread.is_alive()


async def test_refused_statement_leaves_its_connection_usable(database):
    await add(database, 1)
    with pytest.raises(DatabaseFailed):
        await add(database, 1)
    await add(database, 2)
    assert await count(database) == 2


async def test_nothing_is_run_after_the_commit(database):
    async with database.transaction() as transaction:
        await transaction.commit()
        with pytest.raises(RuntimeError):
            await transaction.execute(ADD, number=1)
    assert await count(database) == 0


@pytest.mark.parametrize("values", [{}, {"number": 1, "other": 2}, {"nubmer": 1}])
async def test_values_that_are_not_those_of_the_statement_are_refused(database, values):
    with pytest.raises(TypeError):
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **values)


async def test_folder_in_place_of_the_file_is_refused_again_and_again(tmp_path):
    database = Database(f"sqlite:///{tmp_path}")
    for _ in range(10):
        with pytest.raises(DatabaseUnavailable, match="Try again") as refused:
            await count(database)
        assert "cannot be opened" in refused.value.cause
    assert not await database.answers()
    await database.close()


async def test_table_that_is_not_there_is_named_as_the_cause(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(TableMissing):
        await count(database)
    await database.close()


def test_lock_that_another_process_keeps_is_unavailable(tmp_path):
    busy = [sqlite3.connect(tmp_path / "busy.db", timeout=0, isolation_level=None) for _ in range(2)]
    busy[0].execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as refused:
        busy[1].execute("BEGIN IMMEDIATE")
    for connection in busy:
        connection.close()
    assert isinstance(sqlite_failure(refused.value), Unavailable)
