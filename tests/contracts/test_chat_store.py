"""The contract of the units of work of chat and billing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from parley.core.billing.model import DayUsage
from parley.core.chat.model import Charge, IdempotencyKey, Room
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tokens import Spent
from parley.core.plans import BASIC, PRO
from tests.contracts.chat_fixtures import (
    COMPLETED,
    LONG,
    MANY,
    NOW,
    TODAY,
    Store,
    every_store,
    exchange_at,
    new_id,
    noon,
)

store = every_store
KEY = IdempotencyKey("a key", b"f" * 32)


async def change_everything(unit: ChatUnit, room: Room) -> None:
    """One write of every kind that the chat module's unit of work has."""
    await unit.rooms.add(replace(room, id=new_id()), most=MANY)
    await unit.rooms.save(replace(room, name="Another name"), fields=frozenset({"name"}))
    _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW + timedelta(days=1))
    question, reply = exchange_at(position, room)
    await unit.quota.take(room.account_id, now=noon(TODAY))
    await unit.quota.add_tokens(room.account_id, day=TODAY, spent=Spent(1, 2))
    await unit.messages.add_exchange(
        question, reply, account_id=room.account_id, charge=Charge(TODAY), most_pending=MANY
    )
    await unit.idempotency_keys.remember(room.id, KEY, reply.id, at=NOW)


async def read_everything(store: Store, room: Room) -> tuple[Any, ...]:
    async with store.chat(read_only=True) as unit:
        return (
            await unit.rooms.page(room.account_id, after=None, limit=100),
            await unit.messages.page(room.id, room.account_id, before=None, limit=100),
            await unit.quota.look(room.account_id, now=noon(TODAY)),
            await store.usage(room.account_id),
        )


async def test_uncommitted_writes_are_rolled_back(store):
    room = await store.new_room()
    before = await read_everything(store, room)

    async with store.chat() as unit:
        await change_everything(unit, room)

    assert await read_everything(store, room) == before
    reply = await store.new_reply(room)
    assert reply.position == 2
    assert await store.do(lambda unit: unit.idempotency_keys.remember(room.id, KEY, reply.id, at=NOW)) is None


async def test_committed_writes_stay_after_a_later_error(store):
    room = await store.new_room()

    async def fail_after_the_commit() -> None:
        async with store.chat() as unit:
            await change_everything(unit, room)
            await unit.commit()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_the_commit()
    rooms, messages, allowance, usage = await read_everything(store, room)
    assert {found.name for found in rooms} == {"A room", "Another name"}
    assert [message.position for message in messages] == [1, 2]
    assert allowance.remaining == 4
    assert usage == [DayUsage(TODAY, 1, 1, 2)]


async def test_error_rolls_back_uncommitted_writes(store):
    room = await store.new_room()
    before = await read_everything(store, room)

    async def fail_half_way() -> None:
        async with store.chat() as unit:
            await change_everything(unit, room)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await read_everything(store, room) == before


async def test_uncommitted_steps_of_a_claim_are_rolled_back(store):
    reply = await store.new_reply()
    async with store.chat() as unit:
        claim = await unit.replies.claim(reply.id, lease=LONG)
        assert await unit.replies.end(claim, COMPLETED)

    claim = await store.claim(reply)
    assert (claim.attempt, claim.failures) == (1, 0)
    for step in (
        lambda unit: unit.replies.end(claim, COMPLETED),
        lambda unit: unit.replies.postpone(claim, seconds=LONG),
        lambda unit: unit.replies.release(claim),
        lambda unit: unit.replies.request_stop(reply.id),
        lambda unit: unit.replies.renew([claim], lease=0),
    ):
        async with store.chat() as unit:
            await step(unit)
    assert await store.claimed(reply.id) is None
    assert await store.end(claim)


async def test_uncommitted_deletion_of_a_room_is_rolled_back(store):
    room = await store.new_room()
    await store.new_reply(room)
    before = await read_everything(store, room)

    async with store.chat() as unit:
        assert await unit.rooms.delete(room.id, room.account_id)

    assert await read_everything(store, room) == before


async def test_unit_reads_its_own_writes(store):
    room = await store.new_room()
    async with store.chat() as unit:
        await change_everything(unit, room)
        assert (await unit.rooms.get(room.id, room.account_id)).name == "Another name"
        assert len(await unit.messages.page(room.id, room.account_id, before=None, limit=100)) == 2
        assert (await unit.quota.look(room.account_id, now=noon(TODAY))).remaining == 4


async def test_reader_does_not_wait_for_writers_and_sees_no_uncommitted_writes(store):
    room = await store.new_room()
    before = await read_everything(store, room)
    async with asyncio.timeout(30), store.chat() as unit:
        await change_everything(unit, room)
        assert await read_everything(store, room) == before


async def test_writers_to_one_room_wait_for_each_other(store):
    room = await store.new_room()
    order = []

    async def write(name: str) -> None:
        async with store.chat() as unit:
            _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            order.append((name, position))
            question, reply = exchange_at(position, room)
            await unit.messages.add_exchange(
                question, reply, account_id=room.account_id, charge=Charge(TODAY), most_pending=MANY
            )
            await unit.commit()

    async with asyncio.timeout(60):
        await asyncio.gather(*(write(f"writer {number}") for number in range(30)))

    assert [position for _, position in order] == list(range(1, 61, 2))
    messages = await store.see(lambda unit: unit.messages.page(room.id, room.account_id, before=None, limit=100))
    assert [message.position for message in messages] == list(range(1, 61))


async def test_uncommitted_changes_of_billing_are_rolled_back(store):
    account_id = await store.new_account()
    async with store.billing() as unit:
        await unit.plans.override(account_id, PRO)

    async with store.billing(read_only=True) as unit:
        assert await unit.plans.of(account_id, now=noon(TODAY)) == BASIC


async def test_reader_of_plans_does_not_wait_for_writers(store):
    account_id = await store.new_account()
    async with asyncio.timeout(30), store.billing() as writing:
        await writing.plans.override(account_id, PRO)
        async with store.billing(read_only=True) as reading:
            assert await reading.plans.of(account_id, now=noon(TODAY)) == BASIC


async def test_concurrent_writes_of_chat_and_billing_lose_nothing(store):
    room = await store.new_room()
    accounts = [await store.new_account() for _ in range(20)]

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(store.new_reply(room) for _ in accounts),
            *(store.put_on(PRO, account_id) for account_id in accounts),
        )

    assert await store.pending(room.account_id) == len(accounts)
    for account_id in accounts:
        async with store.billing(read_only=True) as unit:
            assert await unit.plans.of(account_id, now=noon(TODAY)) == PRO
