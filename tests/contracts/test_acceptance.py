"""Accepting messages over every store: exact limits under concurrency, and nothing changed by a refusal."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import DayUsage
from parley.core.chat import ChatPorts
from parley.core.chat.errors import IdempotencyMismatch, QuotaExceeded, RoomNotFound, TooManyPending, UnknownModel
from parley.core.chat.messages import Accepted, post_message
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, Message, Room
from parley.core.chat.rooms import delete_room
from parley.core.plans import BASIC, PRO
from tests.contracts.chat_fixtures import LIMIT, MANY, NOW, TODAY, Store, every_store, new_id

store = every_store
ROUNDS = 20


async def post(chat: ChatPorts, room: Room, **changes: object) -> Accepted:
    request = {"account_id": room.account_id, "room_id": room.id, "content": "A question", "model": None, "key": None}
    return await post_message(chat, **request | changes)


async def page(store: Store, room: Room) -> list[Message]:
    return await store.see(lambda unit: unit.messages.page(room.id, room.account_id, before=None, limit=MANY))


async def room_now(store: Store, room: Room) -> Room | None:
    return await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))


def with_most_pending(chat: ChatPorts, number: int) -> ChatPorts:
    return replace(chat, limits=replace(chat.limits, max_pending=number))


@pytest.mark.parametrize("key", [None, "a key"])
async def test_accepted_message_is_stored_as_returned(store, key):
    room = await store.new_room(model="a/model")
    accepted = await post(store.chat_ports(), room, key=key)

    assert await page(store, room) == [accepted.question, accepted.reply]
    assert (accepted.question.position, accepted.reply.position, accepted.reply.model) == (1, 2, "a/model")
    assert (accepted.allowance.limit, accepted.allowance.remaining) == (LIMIT, LIMIT - 1)
    assert await store.usage(room.account_id) == [DayUsage(TODAY, 1, 0, 0)]
    assert await store.overdue(patience=0) == [accepted.reply.id]


@pytest.mark.parametrize("wished", [None, "a/model"])
async def test_model_is_the_requests_then_the_rooms_then_the_default(store, wished):
    chat = store.chat_ports()
    offered = replace(chat.catalogue, providers={"a": replace(chat.catalogue.providers["a"], models=("model", "room"))})
    for of_room in (None, "a/room"):
        accepted = await post(replace(chat, catalogue=offered), await store.new_room(model=of_room), model=wished)
        assert accepted.reply.model == (wished or of_room or "a/model")


async def test_refused_message_changes_nothing(store):
    room = await store.new_room()
    chat = store.chat_ports()
    accepted = [await post(chat, room) for _ in range(LIMIT - 1)]
    before = await room_now(store, room), await page(store, room), await store.usage(room.account_id)
    later = replace(chat, now=lambda: NOW.replace(hour=13))
    for refused, error, changes in (
        (with_most_pending(later, len(accepted)), TooManyPending, {}),
        (later, UnknownModel, {"model": "a/nothing"}),
        (later, RoomNotFound, {"account_id": await store.new_account()}),
        (later, RoomNotFound, {"room_id": new_id()}),
        (store.chat_ports(limit=LIMIT - 1, now=later.now), QuotaExceeded, {}),
    ):
        with pytest.raises(error):
            await post(refused, room, **changes)
        assert (await room_now(store, room), await page(store, room), await store.usage(room.account_id)) == before

    assert (await post(chat, room)).question.position == 2 * LIMIT - 1


async def test_room_whose_model_is_not_offered_refuses_messages_without_a_model(store):
    room = await store.new_room(model="a/forgotten")
    with pytest.raises(UnknownModel):
        await post(store.chat_ports(), room)
    assert (await post(store.chat_ports(), room, model="a/model")).reply.model == "a/model"


async def test_parallel_messages_are_accepted_up_to_the_quota(store):
    rooms = [await store.new_room()]
    rooms += [await store.new_room(rooms[0].account_id) for _ in range(4)]
    chat = store.chat_ports()
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(
            *(post(chat, rooms[number % len(rooms)]) for number in range(60)), return_exceptions=True
        )

    assert Counter(type(outcome) for outcome in outcomes) == {Accepted: LIMIT, QuotaExceeded: 60 - LIMIT}
    assert await store.usage(rooms[0].account_id) == [DayUsage(TODAY, LIMIT, 0, 0)]
    assert await store.pending(rooms[0].account_id) == LIMIT
    for room in rooms:
        positions = [message.position for message in await page(store, room)]
        assert positions == list(range(1, len(positions) + 1))


@pytest.mark.parametrize("plan", [BASIC, PRO])
async def test_parallel_messages_are_accepted_up_to_the_limit_of_unfinished_replies(store, plan):
    rooms = [await store.new_room()]
    account_id = rooms[0].account_id
    rooms += [await store.new_room(account_id) for _ in range(4)]
    await store.put_on(plan, account_id)
    chat = with_most_pending(store.chat_ports(limit=MANY), 3)
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(
            *(post(chat, rooms[number % len(rooms)]) for number in range(60)), return_exceptions=True
        )

    assert Counter(type(outcome) for outcome in outcomes) == {Accepted: 3, TooManyPending: 57}
    assert await store.usage(account_id) == [DayUsage(TODAY, 3, 0, 0)]
    assert await store.pending(account_id) == 3
    for room in rooms:
        positions = [message.position for message in await page(store, room)]
        assert positions == list(range(1, len(positions) + 1))


async def test_parallel_messages_with_one_key_are_accepted_once(store):
    room = await store.new_room()
    chat = store.chat_ports()
    accepted = await asyncio.gather(*(post(chat, room, key="a key") for _ in range(10)))

    assert Counter(each.replayed for each in accepted) == {False: 1, True: 9}
    assert len({each.reply.id for each in accepted}) == 1
    assert len(await page(store, room)) == 2
    assert await store.usage(room.account_id) == [DayUsage(TODAY, 1, 0, 0)]


async def test_key_of_another_message_or_of_a_refused_one(store):
    room = await store.new_room()
    chat = store.chat_ports()
    with pytest.raises(TooManyPending):
        await post(with_most_pending(chat, 0), room, key="a key")
    first = await post(chat, room, key="a key")
    assert not first.replayed
    with pytest.raises(IdempotencyMismatch):
        await post(chat, room, key="a key", content="Another question")
    elsewhere = await store.new_room(room.account_id)
    assert not (await post(chat, elsewhere, key="a key")).replayed
    assert await page(store, room) == [first.question, first.reply]


async def test_key_is_forgotten_after_its_life(store):
    room = await store.new_room()
    first = await post(store.chat_ports(), room, key="a key")
    last_moment = NOW + IDEMPOTENCY_KEY_LIFE
    assert (await post(store.chat_ports(now=lambda: last_moment), room, key="a key")).replayed
    later = store.chat_ports(now=lambda: last_moment + timedelta(microseconds=1))
    second = await post(later, room, key="a key")
    assert (second.replayed, second.question.parent_id) == (False, first.reply.id)
    assert (await post(later, room, key="a key")).reply.id == second.reply.id


async def test_message_accepted_while_the_reply_before_it_ends_does_not_wait_for_a_sweep(store):
    """Its own worker finds the room free, or the end queues it."""
    chat = store.chat_ports(limit=MANY)
    for _ in range(ROUNDS):
        room = await store.new_room()
        claim = await store.claim((await post(chat, room)).reply)
        ending = store.chat_ports(limit=MANY)

        async def ask(room: Room = room) -> Message | None:
            """The following reply, unless its worker claimed it."""
            reply = (await post(chat, room)).reply
            return reply if await store.claimed(reply.id) is None else None

        waiting, ended = await asyncio.gather(ask(), store.end(claim, chat=ending))
        assert ended
        if waiting is not None:
            await ending.queue.put(new_id())
            assert await ending.queue.take() == waiting.id


async def test_message_at_the_time_of_its_rooms_end_is_accepted_or_finds_no_room(store):
    chat = store.chat_ports(limit=MANY)
    for _ in range(ROUNDS):
        room = await store.new_room()
        posted, _ = await asyncio.gather(
            post(chat, room), delete_room(chat, account_id=room.account_id, room_id=room.id), return_exceptions=True
        )

        assert isinstance(posted, Accepted | RoomNotFound)
        assert await store.pending(room.account_id) == 0
        assert [usage.used for usage in await store.usage(room.account_id)] == [1] * isinstance(posted, Accepted)
