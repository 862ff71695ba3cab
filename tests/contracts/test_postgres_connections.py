"""Connections to PostgreSQL whose transaction or whose server is in no known state."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import func, insert, make_url, select, text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import signups
from parley.core.errors import Unavailable
from tests.contracts.chat_fixtures import NOW
from tests.contracts.databases import opened
from tests.contracts.postgres_fixtures import migrated_database
from tests.servers.tcp_proxy import TcpProxy

SIGNUP = {"token_hash": b"t", "identity": "email:a@example.com", "expires_at": NOW}
ADD = Statement(insert(signups).values(given(*SIGNUP)))
COUNT = Statement(select(func.count()).select_from(signups))
ASK = Statement(text("SELECT 1"))
SLEEP = Statement(text("SELECT pg_sleep(60)"))
SLEEPING = Statement(
    text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query = 'SELECT pg_sleep(60)' AND state <> 'idle'"
    )
)
PREPARED = Statement(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))


@pytest.fixture
async def url() -> AsyncGenerator[str, None]:
    async with migrated_database() as made:
        yield made


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database, None]:
    async with opened(url) as made:
        yield made


async def ask(database: Database, statement: Statement = ASK, *, read_only: bool = True) -> int:
    async with database.transaction(read_only=read_only) as transaction:
        return await transaction.scalar(statement)


async def test_statement_of_a_cancelled_task_is_cancelled_and_rolled_back(database):
    async def add_and_sleep() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **SIGNUP)
            await transaction.execute(SLEEP)

    task = asyncio.create_task(add_and_sleep())
    async with asyncio.timeout(20):
        while await ask(database, SLEEPING) == 0:
            pass
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        while await ask(database, SLEEPING) > 0:
            pass
    assert await ask(database, COUNT) == 0
    assert database.in_use == 0


async def test_connections_of_tasks_that_still_have_them_are_closed_with_the_database(database):
    async def sleep() -> None:
        await ask(database, SLEEP)

    async with asyncio.timeout(20):
        task = asyncio.create_task(sleep())
        while await ask(database, SLEEPING) == 0:
            pass
        await database.close()
        with pytest.raises(Unavailable):
            await task


async def test_commit_after_a_refused_statement_raises(database):
    """The server answers such a COMMIT with ROLLBACK, which is no error to the driver."""

    async def add_twice() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **SIGNUP)
            with pytest.raises(DatabaseFailed):
                await transaction.execute(ADD, **SIGNUP)
            await transaction.commit()

    with pytest.raises(DatabaseFailed, match="rolled back"):
        await add_twice()
    assert await ask(database, COUNT) == 0


async def test_silent_server_is_unavailable_and_its_connections_are_replaced(url):
    async with TcpProxy(make_url(url).port).running() as proxy:
        through_proxy = make_url(url).set(port=proxy.port).render_as_string()
        async with opened(through_proxy, statement_seconds=0.2) as database, asyncio.timeout(20):
            for read_only in (True, False):
                assert await ask(database) == 1
                proxy.silence()
                with pytest.raises(Unavailable):
                    await ask(database, read_only=read_only)
                assert await ask(database) == 1


async def test_value_that_the_driver_refuses_is_not_in_the_error(database):
    async def add_nonsense() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **SIGNUP | {"expires_at": "a secret"})

    with pytest.raises(DatabaseFailed) as raised:
        await add_nonsense()
    assert "a secret" not in str(raised.value)
    assert raised.value.__suppress_context__
    assert await ask(database) == 1


async def test_statements_are_prepared_for_later_use_unless_the_url_says_otherwise(url):
    """PgBouncer below 1.21, pooling transactions, sends them to connections that do not know them."""
    async with opened(url) as database:
        await ask(database)
        assert await ask(database, PREPARED) > 0
    async with opened(f"{url}?statement_cache_size=0") as database:
        await ask(database)
        assert await ask(database, PREPARED) == 0
