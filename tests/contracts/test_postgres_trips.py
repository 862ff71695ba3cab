"""How many trips to PostgreSQL the steps of a reply's life take: each costs more than what the server does."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from parley.adapters.sql.engine.database import Database, Transaction
from parley.core.chat.messages import post_message
from parley.core.chat.model import Claim, Conversation, Ending, Lease, ReplyError, Role, Room, Status, Turn
from parley.core.chat.prompts import answer_prompt
from parley.core.chat.sweep import requeue_overdue
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.chat.write_reply import write_reply
from tests.contracts.chat_fixtures import LONG, MANY, NOW, Store, store_over
from tests.contracts.postgres_fixtures import migrated_database
from tests.contracts.tree_fixtures import TreeRoom


class CountingDriver:
    """An asyncpg connection that notes the first word of what it sends."""

    def __init__(self, driver: Any, sent: list[str]) -> None:
        self._driver = driver
        self._sent = sent

    async def fetch(self, text: str, *arguments: Any) -> Any:
        self._sent.append(text.split(maxsplit=1)[0])
        return await self._driver.fetch(text, *arguments)

    async def execute(self, text: str, *arguments: Any) -> Any:
        self._sent.append(text.split(maxsplit=1)[0])
        return await self._driver.execute(text, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


class CountingDatabase(Database):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent: list[str] = []

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[Transaction, None]:
        async with super().transaction(read_only=read_only, single=single) as transaction:
            connection: Any = transaction.connection
            if not isinstance(connection.driver, CountingDriver):
                connection.driver = CountingDriver(connection.driver, self.sent)
            yield transaction

    def trips(self) -> list[str]:
        """What was sent since the last call."""
        sent = self.sent.copy()
        self.sent.clear()
        return sent


@pytest.fixture
async def database() -> AsyncGenerator[CountingDatabase, None]:
    async with migrated_database() as url:
        counting = CountingDatabase(url)
        yield counting
        await counting.close()


@pytest.fixture
def store(database) -> Store:
    return store_over(database)


async def claims(store: Store, number: int) -> list[Claim]:
    return [await store.claim(await store.new_reply()) for _ in range(number)]


async def renew(store: Store, held: Sequence[Claim]) -> list[Lease]:
    async with store.chat(single=True) as unit:
        return await unit.replies.renew(held, lease=LONG)


async def test_message_is_accepted_in_one_trip(store, database):
    room: Room = await store.new_room()
    chat = store.chat_ports(limit=MANY)
    for key in (None, None, "a key", "another key"):
        database.trips()
        await post_message(chat, account_id=room.account_id, room_id=room.id, content="A question", model=None, key=key)
        assert database.trips() == ["WITH"]


async def may_read() -> bool:
    return True


async def test_prompt_is_accepted_in_three_trips_and_its_transaction(store, database):
    room: Room = await store.new_room()
    answering = answer_prompt(
        store.chat_ports(limit=MANY),
        account_id=room.account_id,
        prompt=Conversation(None, (Turn(Role.USER, "A question"),)),
        model=None,
        keep_alive_seconds=LONG,
        may_read=may_read,
    )
    database.trips()
    async with aclosing(answering):
        await anext(answering)
        # The lock of the account, the quota, the prompt with its reply.
        assert database.trips() == ["BEGIN", "SELECT", "INSERT", "WITH", "COMMIT"]


async def test_page_of_a_branch_is_one_trip_and_two_where_it_comes_from_several_runs(store, database):
    tree = TreeRoom(store, await store.new_room())
    accepted = [await tree.post() for _ in range(3)]
    other = await tree.regenerate(accepted[1].reply)
    onward = await tree.post(parent=other.reply.id)
    for read, trips in (
        (tree.branch(accepted[2].reply, limit=3), 3),
        (tree.branch(before=6), 1),
        (tree.branch(limit=2), 1),
        (tree.branch(limit=20), 2),
        (tree.context(accepted[2].reply), 1),
        (tree.context(onward.reply), 2),
    ):
        database.trips()
        await read
        # With `head` the message and its newest descendant are looked up before the page.
        assert len(database.trips()) == trips


async def test_message_that_names_the_head_as_its_parent_is_accepted_in_one_trip(store, database):
    tree = TreeRoom(store, await store.new_room())
    first = await tree.post()
    database.trips()
    assert (await tree.post(parent=first.reply.id)).question.parent_id == first.reply.id
    assert database.trips() == ["WITH"]


async def test_reply_is_written_in_four_trips(store, database):
    """The claim, the conversation, the end with its counts, and the next reply of the room."""
    reply = await store.new_reply()
    database.trips()
    await write_reply(store.chat_ports(), reply.id)
    assert database.trips() == ["UPDATE", "SELECT", "WITH", "SELECT"]


@pytest.mark.parametrize(
    "ending",
    [
        Ending(Status.COMPLETED, "An answer", NOW, usage=TokenUsage(3, 5)),
        Ending(Status.FAILED, "", NOW, error=ReplyError("model_refused", "No.")),
    ],
)
async def test_end_and_its_counts_are_one_statement(store, database, ending):
    (claim,) = await claims(store, 1)
    database.trips()
    assert await store.end(claim, ending)
    assert database.trips() == ["WITH", "SELECT"]
    (usage,) = await store.usage(claim.account_id)
    expected = (0, 0, 0) if ending.status is Status.FAILED else (1, 3, 5)
    assert (usage.used, usage.input_tokens, usage.output_tokens) == expected

    assert not await store.end(claim, ending)
    assert await store.usage(claim.account_id) == [usage]


async def test_retry_and_release_count_their_tokens_in_one_statement(store, database):
    reply = await store.new_reply()
    for step in (
        lambda unit, claim: unit.replies.postpone(claim, seconds=0, spent=Spent(3, 5)),
        lambda unit, claim: unit.replies.release(claim, spent=Spent(3, 5)),
    ):
        claim = await store.claim(reply)
        database.trips()
        async with store.chat(single=True) as unit:
            assert await step(unit, claim)
        assert database.trips() == ["WITH"]


async def test_many_leases_are_renewed_in_one_trip(store, database):
    held = await claims(store, 30)
    database.trips()
    assert await renew(store, held) == [Lease.HELD] * 30
    assert database.trips() == ["WITH"]


async def test_lease_whose_row_is_locked_is_renewed_by_itself(store, database):
    held = await claims(store, 3)
    async with store.chat() as locking, asyncio.TaskGroup() as tasks:
        await locking.replies.request_stop(held[1].reply_id)
        database.trips()
        renewing = tasks.create_task(renew(store, held))
        while len(database.sent) < 2:
            await asyncio.sleep(0.01)
        await locking.commit()

    assert renewing.result() == [Lease.HELD, Lease.STOP_REQUESTED, Lease.HELD]
    assert database.trips() == ["WITH", "UPDATE", "COMMIT"]


async def test_sweep_without_a_find_is_one_read(store, database):
    await store.new_reply()
    database.trips()
    assert await requeue_overdue(store.chat_ports()) == 0
    assert database.trips() == ["SELECT"]
