"""The contract of the stores of running replies: the next reply, overdue replies, and replies without a lease."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.errors import TooManyPending
from parley.core.chat.messages import Accepted, post_message
from parley.core.chat.model import Charge, Ending, Message, ReplyError, Status
from tests.contracts.chat_fixtures import LONG, NOW, TODAY, Store, every_store, exchange_at, new_id

store = every_store
STOPPED = Ending(Status.STOPPED, "half an answer", NOW)


async def postpone(store: Store, reply: Message, *, seconds: float) -> None:
    claim = await store.claim(reply)
    assert await store.do(lambda unit: unit.replies.postpone(claim, seconds=seconds))


async def until_overdue(store: Store) -> list[UUID]:
    """The first overdue replies; those that only waited would take an hour."""
    async with asyncio.timeout(20):
        while not (overdue := await store.overdue(patience=LONG)):
            await asyncio.sleep(0.01)
    return overdue


@pytest.mark.parametrize("state", ["pending", "postponed", "lease expired"])
async def test_reply_without_a_lease_ends_as_a_new_attempt(store, state):
    reply = await store.new_reply()
    attempts = 0 if state == "pending" else 1
    overtaken = None
    if state == "postponed":
        await postpone(store, reply, seconds=LONG)
    if state == "lease expired":
        overtaken = await store.claim(reply, lease=0)

    claim = await store.do(lambda unit: unit.replies.end_unheld(reply.id, STOPPED))

    assert (claim.reply_id, claim.room_id, claim.charged_on) == (reply.id, reply.room_id, TODAY)
    assert (claim.attempt, claim.failures) == (attempts + 1, int(state == "postponed"))
    ended = replace(reply, status=Status.STOPPED, content=STOPPED.content, completed_at=NOW, attempt=attempts + 1)
    assert await store.message(reply, claim.account_id) == ended
    if overtaken is not None:
        assert not await store.end(overtaken)
    assert await store.do(lambda unit: unit.replies.end_unheld(reply.id, STOPPED)) is None
    assert await store.message(reply, claim.account_id) == ended


async def test_held_ended_and_unknown_replies_are_not_ended(store):
    room = await store.new_room()
    question, held = await store.new_exchange(room)
    claim = await store.claim(held)
    ended = await store.new_reply()
    ended_by = await store.claim(ended)
    await store.end(ended_by)
    before = await store.message(ended, ended_by.account_id)

    for message_id in (held.id, ended.id, question.id, new_id()):
        assert await store.do(lambda unit, found=message_id: unit.replies.end_unheld(found, STOPPED)) is None

    assert await store.message(question, room.account_id) == question
    assert await store.message(ended, ended_by.account_id) == before
    assert await store.end(claim)


async def test_reply_can_end_before_an_earlier_one_of_its_room(store):
    room = await store.new_room()
    first, second, third = [await store.new_reply(room) for _ in range(3)]
    claim = await store.claim(first)

    assert await store.do(lambda unit: unit.replies.end_unheld(second.id, STOPPED)) is not None
    assert await store.claimed(third.id) is None
    await store.end(claim)
    assert await store.claimed(third.id) is not None


async def test_of_concurrent_ends_and_claims_of_a_pending_reply_one_succeeds(store):
    for _ in range(5):
        reply = await store.new_reply()
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(
                *(store.do(lambda unit: unit.replies.end_unheld(reply.id, STOPPED)) for _ in range(5)),  # noqa: B023
                *(store.claimed(reply.id) for _ in range(5)),
            )
        assert len([claim for claim in outcomes if claim is not None]) == 1


async def test_next_in_room_is_the_first_unfinished_reply(store):
    room = await store.new_room()
    replies = [await store.new_reply(room) for _ in range(3)]
    await store.new_reply(await store.new_room(room.account_id))

    for reply in replies:
        assert await store.see(lambda unit: unit.replies.next_in_room(room.id)) == reply.id
        claim = await store.claim(reply)
        assert await store.see(lambda unit: unit.replies.next_in_room(room.id)) == reply.id
        await store.end(claim)
    assert await store.see(lambda unit: unit.replies.next_in_room(room.id)) is None
    assert await store.see(lambda unit: unit.replies.next_in_room(new_id())) is None


async def test_pending_reply_is_overdue_after_the_patience(store):
    reply = await store.new_reply()

    assert await store.overdue(patience=LONG) == []
    assert await store.overdue(patience=0) == [reply.id]
    assert await store.overdue(patience=LONG) == []


async def test_reply_that_is_not_claimable_is_not_overdue(store):
    room = await store.new_room()
    held, behind_held = [await store.new_reply(room) for _ in range(2)]
    await store.claim(held)
    beside = await store.new_room(room.account_id)
    delayed, behind_delayed = [await store.new_reply(beside) for _ in range(2)]
    await postpone(store, delayed, seconds=LONG)
    ended = await store.new_reply()
    await store.end(await store.claim(ended, lease=0))

    assert await store.overdue(patience=0) == []
    assert await store.claimed(behind_held.id) is None
    assert await store.claimed(behind_delayed.id) is None


async def test_reply_with_an_expired_lease_is_overdue_at_once(store):
    reply = await store.new_reply()
    await store.claim(reply, lease=0.05)

    assert await until_overdue(store) == [reply.id]
    assert (await store.claim(reply)).attempt == 2


async def test_postponed_reply_is_overdue_when_its_delay_is_over(store):
    reply = await store.new_reply()
    await postpone(store, reply, seconds=0.05)

    assert await until_overdue(store) == [reply.id]
    assert (await store.claim(reply)).failures == 1


async def test_taking_an_overdue_reply_starts_its_wait_anew(store):
    reply = await store.new_reply()
    await store.claim(reply, lease=0.05)
    await until_overdue(store)

    assert await store.overdue(patience=LONG) == []
    assert await store.overdue(patience=0) == [reply.id]


async def test_concurrent_sweepers_share_the_overdue_replies(store):
    replies = [await store.new_reply() for _ in range(10)]
    for reply in replies:
        await store.claim(reply, lease=0.05)

    async with asyncio.timeout(20):
        found = []
        while len(found) < len(replies):
            for batch in await asyncio.gather(*(store.overdue(patience=LONG, limit=3) for _ in range(8))):
                found += batch
    assert sorted(found) == [reply.id for reply in replies]


async def test_overdue_replies_come_oldest_first_and_up_to_the_limit(store):
    ages = [20, 50, 10, 40, 30]
    # Ids in another order than the ages, by which replies must be sorted.
    reply_ids = [new_id() for _ in ages][::-1]
    for reply_id, age in zip(reply_ids, ages, strict=True):
        await store.claim(await store.new_reply(reply_id=reply_id), lease=-age)
    oldest_first = [reply_ids[ages.index(age)] for age in sorted(ages, reverse=True)]

    assert await store.overdue(patience=0, limit=2) == oldest_first[:2]
    assert await store.overdue(patience=0, limit=100) == oldest_first


async def test_only_the_first_reply_of_a_room_is_overdue(store):
    room = await store.new_room()
    first, second = [await store.new_reply(room) for _ in range(2)]

    assert await store.overdue(patience=0) == [first.id]
    await store.end(await store.claim(first))
    assert await store.overdue(patience=0) == [second.id]


async def test_uncommitted_sweep_starts_no_wait(store):
    reply = await store.new_reply()
    await store.claim(reply, lease=0.05)

    async def sweep_without_commit() -> list[UUID]:
        async with store.chat() as unit:
            return await unit.replies.take_overdue(patience=LONG, limit=100)

    async with asyncio.timeout(20):
        while not await sweep_without_commit():
            await asyncio.sleep(0.01)
    assert await store.overdue(patience=LONG) == [reply.id]


async def test_pending_limit_counts_the_unfinished_replies_of_the_account(store):
    room = await store.new_room()
    beside = await store.new_room(room.account_id)
    await store.new_reply()
    waiting = [await store.new_reply(room), await store.new_reply(room), await store.new_reply(beside)]

    async def count() -> int:
        """The largest limit that refuses another reply."""
        found = 0
        while not await fits(most_pending=found + 1):
            found += 1
        return found

    async def fits(*, most_pending: int) -> bool:
        async with store.chat() as unit:
            _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            question, reply = exchange_at(position, room)
            return await unit.messages.add_exchange(
                question, reply, account_id=room.account_id, charge=Charge(TODAY), most_pending=most_pending
            )

    assert await count() == 3
    claim = await store.claim(waiting[0])
    assert await count() == 3
    await store.end(claim, Ending(Status.FAILED, "", NOW, error=ReplyError("a_code", "A sentence.")))
    assert await count() == 2
    await postpone(store, waiting[1], seconds=LONG)
    assert await count() == 2
    await store.do(lambda unit: unit.replies.end_unheld(waiting[2].id, STOPPED))
    assert await count() == 1


async def test_pending_limit_holds_for_concurrent_messages(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id) for _ in range(30)]

    ports = store.chat_ports(limit=100)
    ports = replace(ports, limits=replace(ports.limits, max_pending=7))
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(
            *(
                post_message(ports, account_id=account_id, room_id=room.id, content="?", model=None, key=None)
                for room in rooms
            ),
            return_exceptions=True,
        )

    assert Counter(type(outcome) for outcome in outcomes) == {Accepted: 7, TooManyPending: 23}
    assert await store.pending(account_id) == 7
    assert [usage.used for usage in await store.usage(account_id)] == [7]
