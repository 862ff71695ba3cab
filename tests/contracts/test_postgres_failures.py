"""What the database's failures become, and that none outlives its cause."""

import asyncio
import traceback
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import bindparam, delete, func, insert, make_url, select, text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.sqlalchemy_connection import run_step
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import accounts, signups
from parley.core.accounts.model import OpenedBy, Session
from parley.core.chat.model import Room
from parley.core.errors import AccountGone, Kind, Unavailable
from parley.core.plans import PRO
from tests.contracts.chat_fixtures import NOW, TODAY, Store, new_id, noon, store_over
from tests.contracts.databases import SQL, opened, postgresql
from tests.servers.postgres_server import PostgresServer

CONNECTIONS = 5
SIGNUP = {"token_hash": b"t", "identity": "email:a@example.com", "expires_at": NOW}
# Long enough for several at once to need a connection each.
ASK = Statement(text("SELECT 1 FROM pg_sleep(0.05)"))
ADD = Statement(insert(signups).values(given(*SIGNUP)))
COUNT = Statement(select(func.count()).select_from(signups))
REMOVE = Statement(delete(accounts).where(accounts.c.id == bindparam("account")))


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def database(own_server):
    """A pool of open connections to a server that may be killed, with an empty table of signups."""
    async with opened(own_server.url) as made:
        await run_step(own_server.url, lambda connection: signups.drop(connection, checkfirst=True))
        await run_step(own_server.url, signups.create)
        await asyncio.gather(*(ask(made) for _ in range(CONNECTIONS)))
        yield made


async def ask(database: Database) -> int:
    async with database.transaction(read_only=True) as transaction:
        return await transaction.scalar(ASK)


async def written(database: Database) -> int:
    async with database.transaction(read_only=True) as transaction:
        return await transaction.scalar(COUNT)


async def test_restart_of_the_server_is_not_noticed_between_units_of_work(own_server, database):
    await asyncio.to_thread(own_server.stop)
    await asyncio.to_thread(own_server.start)

    assert await asyncio.gather(*(ask(database) for _ in range(CONNECTIONS))) == [1] * CONNECTIONS
    async with database.transaction() as transaction:
        await transaction.execute(ADD, **SIGNUP)
        await transaction.commit()
    assert await written(database) == 1


async def test_crash_of_the_server_undoes_what_was_not_committed(own_server, database):
    async def crash_before_the_commit() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **SIGNUP)
            await asyncio.to_thread(own_server.kill)
            await transaction.commit()

    with pytest.raises(Unavailable):
        await crash_before_the_commit()
    await asyncio.to_thread(own_server.start)
    assert await written(database) == 0


async def test_crash_of_the_server_leaves_what_was_committed(own_server, database):
    async with database.transaction() as transaction:
        await transaction.execute(ADD, **SIGNUP)
        await transaction.commit()
    await asyncio.to_thread(own_server.kill)
    await asyncio.to_thread(own_server.start)

    assert await written(database) == 1


async def test_server_that_is_down_is_unavailable_until_it_is_up_again(own_server, database):
    await ask(database)
    await asyncio.to_thread(own_server.stop)
    try:
        for read_only in (True, False):
            with pytest.raises(Unavailable) as refused:
                async with database.transaction(read_only=read_only):
                    pytest.fail("there is nothing to connect to")
            assert refused.value.kind is Kind.UNAVAILABLE
            assert str(own_server.port) not in str(refused.value)
        assert not await database.answers()
    finally:
        await asyncio.to_thread(own_server.start)
    await ask(database)


async def test_database_or_account_that_the_server_does_not_know_is_unavailable(own_server):
    for wrong in ({"database": "nowhere"}, {"username": "nobody"}):
        url = make_url(own_server.url).set(**wrong).render_as_string()
        async with opened(url) as database:
            with pytest.raises(Unavailable):
                await ask(database)
            assert not await database.answers()


async def test_statement_that_takes_too_long_is_given_up_and_its_connection_kept(own_server):
    async with opened(own_server.url, statement_seconds=0.2) as database:
        with pytest.raises(Unavailable):
            async with database.transaction() as transaction:
                await transaction.execute(Statement(text("SELECT pg_sleep(60)")))
        assert await ask(database) == 1


async def test_unforeseen_error_says_nothing_of_the_row(tmp_path):
    async def write_twice(database: Database) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(ADD, **SIGNUP)
            await transaction.execute(ADD, **SIGNUP | {"expires_at": None})

    async with postgresql(tmp_path) as database:
        with pytest.raises(DatabaseFailed) as raised:
            await write_twice(database)
    assert SIGNUP["identity"] not in "".join(traceback.format_exception(raised.value))


async def erase(database: Database, account_id: UUID) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(REMOVE, account=account_id)
        await transaction.commit()


async def add_session(store: Store, account_id: UUID) -> None:
    async with store.accounts() as unit:
        await unit.sessions.add(Session(new_id(), account_id, OpenedBy.CODE, NOW, NOW, NOW))
        await unit.commit()


async def add_room(store: Store, account_id: UUID) -> None:
    await store.do(lambda unit: unit.rooms.add(Room(new_id(), account_id, "A room", None, None, NOW, NOW), most=1))


async def count_usage(store: Store, account_id: UUID) -> None:
    await store.do(lambda unit: unit.quota.take(account_id, now=noon(TODAY)))


async def set_plan(store: Store, account_id: UUID) -> None:
    await store.put_on(PRO, account_id)


@pytest.mark.parametrize("write", [add_room, count_usage, set_plan, add_session])
@pytest.mark.parametrize("open_database", SQL)
async def test_row_of_an_account_that_was_erased_meanwhile_says_so(open_database, write, tmp_path):
    async with open_database(tmp_path) as database:
        store = store_over(database)
        account_id = await store.new_account()
        await erase(database, account_id)
        with pytest.raises(AccountGone) as refused:
            await write(store, account_id)
        assert refused.value.kind is Kind.UNAUTHENTICATED
        await write(store, await store.new_account())
