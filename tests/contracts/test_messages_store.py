"""The contract of the stores of messages and idempotency keys."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from parley.core.chat.model import (
    IDEMPOTENCY_KEY_LIFE,
    Ending,
    Exchange,
    FinishReason,
    IdempotencyKey,
    ReplyError,
    Room,
    Status,
)
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.rating import Feedback, Rating
from parley.core.chat.tokens import TokenUsage
from tests.contracts.chat_fixtures import NOW, Store, every_store, new_id

store = every_store
KEY = IdempotencyKey("a key", b"f" * 32)
INSTANT = timedelta(microseconds=1)


async def remember(
    store: Store, room: Room, reply_id: UUID, key: IdempotencyKey = KEY, at: datetime = NOW
) -> tuple[UUID, bytes] | None:
    return await store.do(lambda unit: unit.idempotency_keys.remember(room.id, key, reply_id, at=at))


async def test_exchange_is_stored_as_added(store):
    room = await store.new_room()
    question, reply = await store.new_exchange(room, content="Naïve 日本語 👩‍👩‍👧 \u2028 " + "x" * 31_000)

    async with store.chat(read_only=True) as unit:
        assert await unit.messages.get(question.id, room.id, room.account_id) == question
        assert await unit.messages.get(reply.id, room.id, room.account_id) == reply
        assert await unit.messages.exchange(reply.id) == (question, reply)
        assert await unit.messages.page(room.id, room.account_id, before=None, limit=10) == [question, reply]
        assert await unit.messages.page(room.id, new_id(), before=None, limit=10) == []


async def test_message_is_found_only_with_its_room_and_owner(store):
    room = await store.new_room()
    beside = await store.new_room(room.account_id)
    other = await store.new_room()
    for message in await store.new_exchange(room):
        async with store.chat(read_only=True) as unit:
            assert await unit.messages.get(message.id, beside.id, room.account_id) is None
            assert await unit.messages.get(message.id, room.id, other.account_id) is None
            assert await unit.messages.get(message.id, other.id, other.account_id) is None
            assert await unit.messages.get(new_id(), room.id, room.account_id) is None


async def test_exchange_is_found_only_by_its_reply(store):
    room = await store.new_room()
    first, _ = await store.new_exchange(room)
    question, reply = await store.new_exchange(room)

    async with store.chat(read_only=True) as unit:
        assert await unit.messages.exchange(reply.id) == (question, reply)
        assert await unit.messages.exchange(first.id) is None
        assert await unit.messages.exchange(new_id()) is None


async def test_page_has_the_highest_positions_below_its_bound_oldest_first(store):
    room = await store.new_room()
    await store.new_exchange(await store.new_room(room.account_id))
    messages = [message for _ in range(4) for message in await store.new_exchange(room)]

    for before in (None, *range(1, 11)):
        for limit in (1, 2, 3, 8, 9):
            below = messages if before is None else messages[: before - 1]
            page = await store.see(
                lambda unit, b=before, n=limit: unit.messages.page(room.id, room.account_id, before=b, limit=n)
            )
            assert page == below[-limit:]


REASONING = Part(PartKind.REASONING, 'Why? \u2028 "\\" 😀')
ENDINGS = [
    pytest.param(Ending(Status.COMPLETED, "An answer", NOW, usage=TokenUsage(3, 5)), id="completed"),
    pytest.param(Ending(Status.COMPLETED, "An answer", NOW), id="completed with unknown usage"),
    pytest.param(
        Ending(
            Status.COMPLETED,
            "An answer",
            NOW,
            usage=TokenUsage(3, 5, 2, 1),
            parts=(REASONING, Part(PartKind.TEXT, "An "), REASONING, Part(PartKind.TEXT, "answer")),
            finish_reason=FinishReason.CONTENT_FILTER,
        ),
        id="completed with reasoning and every count",
    ),
    pytest.param(
        Ending(Status.COMPLETED, "An answer", NOW, usage=TokenUsage(None, None, None, 7)), id="completed with one count"
    ),
    pytest.param(Ending(Status.STOPPED, "An ans", NOW), id="stopped"),
    pytest.param(Ending(Status.STOPPED, "", NOW, parts=(REASONING,)), id="stopped while thinking"),
    pytest.param(Ending(Status.FAILED, "An a", NOW, error=ReplyError("a_code", "A sentence.")), id="failed"),
    pytest.param(Ending(Status.FAILED, "", NOW, error=ReplyError("c" * 64, "d" * 500)), id="failed in many words"),
]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_ended_reply_is_stored_as_ended(store, ending):
    room = await store.new_room()
    question, reply = await store.new_exchange(room)
    assert await store.end(await store.claim(reply), ending)

    ended = replace(
        reply,
        status=ending.status,
        content=ending.content,
        parts=ending.parts,
        finish_reason=ending.finish_reason,
        usage=ending.usage,
        error=ending.error,
        completed_at=ending.at,
        attempt=1,
    )
    async with store.chat(read_only=True) as unit:
        assert await unit.messages.get(reply.id, room.id, room.account_id) == ended
        assert await unit.messages.exchange(reply.id) == (question, ended)
        assert await unit.messages.page(room.id, room.account_id, before=None, limit=10) == [question, ended]


async def test_exchanges_are_messages_with_their_replies_in_any_status_newest_first(store):
    room = await store.new_room()
    endings = [
        Ending(Status.COMPLETED, "whole", NOW, parts=(REASONING, Part(PartKind.TEXT, "whole"))),
        Ending(Status.STOPPED, "half", NOW),
        Ending(Status.FAILED, "broken", NOW, error=ReplyError("a_code", "A sentence.")),
        Ending(Status.COMPLETED, "", NOW),
        Ending(Status.STOPPED, "", NOW, parts=(REASONING,)),
    ]
    exchanges = []
    for number, ending in enumerate(endings):
        question, reply = await store.new_exchange(room, content=f"question {number}")
        await store.end(await store.claim(reply), ending)
        exchanges.append(Exchange(reply.position, question.content, ending.content or None, ending.status))
    for status in (Status.GENERATING, Status.PENDING):
        question, reply = await store.new_exchange(room)
        await store.claimed(reply.id)
        exchanges.append(Exchange(reply.position, question.content, None, status))
    await store.new_exchange(await store.new_room(room.account_id), content="elsewhere")

    newest_first = exchanges[::-1]
    async with store.chat(read_only=True) as unit:
        assert await unit.messages.exchanges(room.id, last=14, limit=100) == newest_first
        assert await unit.messages.exchanges(room.id, last=14, limit=3) == newest_first[:3]
        assert await unit.messages.exchanges(room.id, last=100, limit=3) == []
        for reply in newest_first:
            before = [exchange for exchange in newest_first if exchange.position < reply.position]
            asked = Exchange(reply.position - 1, reply.question, None, Status.COMPLETED)
            assert await unit.messages.exchanges(room.id, last=reply.position, limit=100) == [reply, *before]
            assert await unit.messages.exchanges(room.id, last=reply.position - 1, limit=100) == [asked, *before]


async def test_key_is_bound_to_its_first_reply(store):
    room = await store.new_room()
    first, second = new_id(), new_id()

    assert await remember(store, room, first) is None
    assert await remember(store, room, second) == (first, KEY.fingerprint)
    other_body = IdempotencyKey(KEY.value, b"o" * 32)
    assert await remember(store, room, second, other_body) == (first, KEY.fingerprint)


async def test_keys_of_other_rooms_and_other_keys_are_unused(store):
    room = await store.new_room()
    beside = await store.new_room(room.account_id)
    await remember(store, room, new_id())

    assert await remember(store, beside, new_id()) is None
    assert await remember(store, room, new_id(), IdempotencyKey("A key", KEY.fingerprint)) is None
    assert await remember(store, room, new_id(), IdempotencyKey("a key ", KEY.fingerprint)) is None
    assert await remember(store, room, new_id(), IdempotencyKey("🔑" * 255, KEY.fingerprint)) is None


async def test_use_older_than_the_life_of_a_key_does_not_count(store):
    room = await store.new_room()
    first, second = new_id(), new_id()
    await remember(store, room, first)

    assert await remember(store, room, second, at=NOW + IDEMPOTENCY_KEY_LIFE) == (first, KEY.fingerprint)
    later = NOW + IDEMPOTENCY_KEY_LIFE + INSTANT
    assert await remember(store, room, second, IdempotencyKey(KEY.value, b"o" * 32), at=later) is None
    assert await remember(store, room, new_id(), at=later + IDEMPOTENCY_KEY_LIFE) == (second, b"o" * 32)


async def test_of_50_concurrent_uses_one_binds_and_the_others_get_it(store):
    room = await store.new_room()
    reply_ids = [new_id() for _ in range(50)]

    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(remember(store, room, reply_id) for reply_id in reply_ids))

    bound = [reply_id for reply_id, answer in zip(reply_ids, answers, strict=True) if answer is None]
    assert len(bound) == 1
    assert [answer for answer in answers if answer is not None] == [(bound[0], KEY.fingerprint)] * 49


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
async def test_concurrent_use_waits_for_the_unit_of_work_of_the_first(store, commits):
    room = await store.new_room()
    first, second = new_id(), new_id()
    async with asyncio.timeout(20):
        async with store.chat() as unit:
            assert await unit.idempotency_keys.remember(room.id, KEY, first, at=NOW) is None
            waiting = asyncio.create_task(remember(store, room, second))
            # Enough time for a second one that does not wait.
            for _ in range(30):
                await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
            assert not waiting.done()
            if commits:
                await unit.commit()
        assert await waiting == ((first, KEY.fingerprint) if commits else None)


async def test_only_bindings_before_the_given_time_are_deleted(store):
    room = await store.new_room()
    uses = {"old": NOW - INSTANT, "older": NOW - timedelta(days=400), "just": NOW, "new": NOW + INSTANT}
    for name, at in uses.items():
        await remember(store, room, new_id(), IdempotencyKey(name, KEY.fingerprint), at=at)

    assert await store.do(lambda unit: unit.idempotency_keys.forget_before(NOW)) == 2
    assert await store.do(lambda unit: unit.idempotency_keys.forget_before(NOW)) == 0

    for name, kept in {"old": False, "older": False, "just": True, "new": True}.items():
        answer = await remember(store, room, new_id(), IdempotencyKey(name, KEY.fingerprint))
        assert (answer is not None) == kept


async def test_messages_after_a_position_come_oldest_first(store):
    room = await store.new_room()
    await store.new_exchange(await store.new_room(room.account_id))
    messages = [message for _ in range(3) for message in await store.new_exchange(room)]
    async with store.chat(read_only=True) as unit:
        assert await unit.messages.after(room.id, 0, limit=10) == messages
        assert await unit.messages.after(room.id, 2, limit=3) == messages[2:5]
        assert await unit.messages.after(room.id, 6, limit=3) == []
        assert await unit.messages.after(new_id(), 0, limit=3) == []


async def test_feedback_is_stored_replaced_and_removed(store):
    room = await store.new_room()
    _, reply = await store.new_exchange(room)
    other = await store.new_account()
    for feedback in (Feedback(Rating.UP, "Right. \U0001f44d"), Feedback(Rating.DOWN), None):
        assert await store.do(
            lambda unit, given=feedback: unit.messages.rate(reply.id, room.id, room.account_id, given)
        )
        for account_id, room_id, message_id in (
            (other, room.id, reply.id), (room.account_id, new_id(), reply.id), (room.account_id, room.id, new_id())
        ):  # fmt: skip
            assert not await store.do(
                lambda unit, key=(message_id, room_id, account_id): unit.messages.rate(*key, Feedback(Rating.DOWN, "x"))
            )
        assert await store.message(reply, room.account_id) == replace(reply, feedback=feedback)
