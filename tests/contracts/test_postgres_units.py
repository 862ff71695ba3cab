"""Units of work over PostgreSQL: what they cost, and that many at once neither block for ever nor lose anything."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.statements import Statement
from parley.core.billing.model import DayUsage
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Charge, Ending, IdempotencyKey, Room, Status
from parley.core.chat.tokens import TokenUsage
from parley.core.plans import PRO
from tests.contracts.chat_fixtures import (
    COMPLETED,
    LIMIT,
    LONG,
    MANY,
    NOW,
    TODAY,
    Store,
    exchange_at,
    new_id,
    noon,
    store_over,
)
from tests.contracts.databases import opened
from tests.contracts.postgres_fixtures import migrated_database
from tests.fakes.plans import plans_of

PROCESSES = 4
FAILED = Ending(Status.FAILED, "", NOW)
USAGE = TokenUsage(1, 2)
STATE = Statement(text("SELECT state, query FROM pg_stat_activity WHERE pid = :pid"))


@pytest.fixture
async def url():
    async with migrated_database() as made:
        yield made


@pytest.fixture
async def stores(url) -> AsyncGenerator[list[Store], None]:
    """One database as several processes see it, each with a pool of its own."""
    async with AsyncExitStack() as stack:
        yield [store_over(await stack.enter_async_context(opened(url))) for _ in range(PROCESSES)]


async def post(store: Store, room: Room, *, key: str | None = None) -> UUID:
    """A message as chat accepts it: room, key, quota, messages. Returns its reply or that of the key's first use."""
    async with store.chat() as unit:
        _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
        question, reply = exchange_at(position, room)
        if key is not None:
            first = await unit.idempotency_keys.remember(room.id, IdempotencyKey(key, b"f"), reply.id, at=NOW)
            if first is not None:
                return first[0]
        await unit.quota.take(room.account_id, now=noon(TODAY))
        await unit.messages.add_exchange(
            question, reply, account_id=room.account_id, charge=Charge(TODAY), most_pending=MANY
        )
        await unit.commit()
    return reply.id


async def test_reading_takes_no_transaction_and_writing_takes_one(url):
    """No BEGIN and no ROLLBACK: one round trip for a read where there were three."""
    async with opened(url) as database, opened(url) as observer:
        chat = SqlChatUnitOfWork(database, PlanLimits(plans_of(LIMIT)))
        async with database.transaction(read_only=True) as transaction:
            pid = await transaction.scalar(Statement(text("SELECT pg_backend_pid()")))

        async def seen() -> tuple[str, str]:
            async with observer.transaction(read_only=True) as transaction:
                state, query = await transaction.one_or_none(STATE, pid=pid)
            return state, query.split()[0].strip(";")

        async with chat(read_only=True) as unit:
            await unit.rooms.get(new_id(), new_id())
            assert await seen() == ("idle", "SELECT")
        assert await seen() == ("idle", "SELECT")

        async with chat() as unit:
            await unit.rooms.get(new_id(), new_id())
            assert await seen() == ("idle in transaction", "SELECT")
        assert await seen() == ("idle", "ROLLBACK")

        async with chat() as unit:
            await unit.rooms.get(new_id(), new_id())
            await unit.commit()
        assert await seen() == ("idle", "COMMIT")


async def test_of_100_parallel_messages_of_several_processes_five_are_accepted(stores):
    rooms = [await stores[0].new_room()]
    rooms += [await stores[0].new_room(rooms[0].account_id) for _ in range(4)]
    posts = (post(stores[number % PROCESSES], rooms[number % len(rooms)]) for number in range(100))
    outcomes = Counter(type(outcome) for outcome in await asyncio.gather(*posts, return_exceptions=True))

    assert outcomes == {UUID: LIMIT, QuotaExceeded: 100 - LIMIT}
    assert await stores[0].usage(rooms[0].account_id) == [DayUsage(TODAY, LIMIT, 0, 0)]
    pages = [
        await stores[0].see(
            lambda unit, room=room: unit.messages.page(room.id, room.account_id, before=None, limit=100)
        )
        for room in rooms
    ]
    assert sum(len(page) for page in pages) == 2 * LIMIT


async def test_of_50_parallel_uses_of_a_key_by_several_processes_one_counts(stores):
    room = await stores[0].new_room()
    replies = await asyncio.gather(*(post(stores[number % PROCESSES], room, key="a key") for number in range(50)))

    assert len(set(replies)) == 1
    assert await stores[0].usage(room.account_id) == [DayUsage(TODAY, 1, 0, 0)]
    page = await stores[0].see(lambda unit: unit.messages.page(room.id, room.account_id, before=None, limit=100))
    assert [message.position for message in page] == [1, 2]


async def test_parallel_messages_to_one_room_take_its_positions_without_a_gap(stores):
    room = await stores[0].new_room()
    await stores[0].put_on(PRO, room.account_id)
    await asyncio.gather(*(post(stores[number % PROCESSES], room) for number in range(40)))

    page = await stores[0].see(lambda unit: unit.messages.page(room.id, room.account_id, before=None, limit=100))
    assert [message.position for message in page] == list(range(1, 81))


async def test_parallel_sweepers_share_what_is_overdue(stores):
    replies = {(await stores[0].new_reply()).id for _ in range(30)}
    sweeps = await asyncio.gather(
        *(stores[number % PROCESSES].overdue(patience=0, limit=10) for number in range(3)),
    )
    again = await stores[0].overdue(patience=LONG)

    taken = [reply_id for sweep in sweeps for reply_id in sweep]
    # A sweep that finds its rows locked leaves them to the other: none waits, and none takes more than it asked for.
    assert set(taken) <= replies
    assert all(len(sweep) <= 10 for sweep in sweeps)
    assert again == []


async def test_messages_and_ends_at_once_neither_deadlock_nor_lose_a_count(stores):
    """Posts lock room, key, usage; ends lock message, usage; sweeps lock messages: all of one account, all at once."""
    rooms = [await stores[0].new_room()]
    account_id = rooms[0].account_id
    rooms += [await stores[0].new_room(account_id) for _ in range(3)]
    await stores[0].put_on(PRO, account_id)
    chance = random.Random(0)
    ended: Counter[Status] = Counter()

    async def chat_in(room: Room, store: Store) -> None:
        for number in range(8):
            await post(store, room, key=f"{number}")

    async def work(store: Store) -> None:
        while sum(ended.values()) < 8 * len(rooms):
            for reply_id in await store.overdue(patience=0, limit=5):
                claim = await store.claimed(reply_id)
                if claim is not None:
                    ending = chance.choice([COMPLETED, FAILED])
                    assert await store.end(claim, replace(ending, usage=USAGE))
                    ended[ending.status] += 1

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(chat_in(room, store) for room in rooms for store in stores), *(work(store) for store in stores)
        )

    total = 8 * len(rooms)
    assert sum(ended.values()) == total
    assert await stores[0].usage(account_id) == [DayUsage(TODAY, total - ended[Status.FAILED], total, 2 * total)]
    for room in rooms:
        page = await stores[0].see(
            lambda unit, room=room: unit.messages.page(room.id, room.account_id, before=None, limit=100)
        )
        assert [message.position for message in page] == list(range(1, 17))
        assert all(message.attempt == 1 for message in page[1::2])
