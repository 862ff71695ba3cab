"""Accepting a message for exactly one reply."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import (
    MessageNotFound,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.history import read_branch, read_message
from parley.core.chat.model import Message, Role, Room, Status
from parley.core.errors import InvalidInput
from parley.core.plans import PRO
from tests.unit.chat.environment import BASIC_LIMIT, BEGINNING, ChatEnvironment

MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)
RAVI = UUID(int=77)


async def messages(env: ChatEnvironment, room: Room) -> list[Message]:
    page = await read_branch(env.chat, account_id=room.account_id, room_id=room.id, before=None, limit=100)
    assert page.next_cursor is None
    return page.items


async def test_message_is_stored_with_its_pending_reply(env):
    room = await env.room()
    accepted = await env.post(room, "A question")
    question, reply = accepted.question, accepted.reply

    assert question == Message(
        question.id, room.id, Role.USER, "A question", Status.COMPLETED, BEGINNING, 1, completed_at=BEGINNING
    )
    assert reply == Message(
        reply.id,
        room.id,
        Role.ASSISTANT,
        "",
        Status.PENDING,
        BEGINNING,
        2,
        model="vendor/fast",
        reply_to=question.id,
        parent_id=question.id,
    )
    assert not accepted.replayed
    assert await messages(env, room) == [question, reply]
    assert await env.queued() == [reply.id]


async def test_quota_is_counted_and_returned(env):
    room = await env.room()
    accepted = [await env.post(room) for _ in range(BASIC_LIMIT)]

    assert [each.allowance for each in accepted] == [Allowance(5, left, MIDNIGHT) for left in (4, 3, 2, 1, 0)]
    with pytest.raises(QuotaExceeded) as refused:
        await env.post(room)
    assert refused.value.allowance == Allowance(5, 0, MIDNIGHT)
    assert "5 messages" in refused.value.detail


async def test_quota_is_renewed_at_midnight(env):
    room = await env.room()
    for _ in range(BASIC_LIMIT):
        await env.post(room)
    await asyncio.sleep((MIDNIGHT - BEGINNING).total_seconds())

    assert (await env.post(room)).allowance == Allowance(5, 4, MIDNIGHT + timedelta(days=1))


async def test_plan_without_limit_never_refuses(env):
    await env.set_plan(PRO)
    room = await env.room()
    accepted = [await env.post(room) for _ in range(BASIC_LIMIT + 3)]

    assert {each.allowance for each in accepted} == {Allowance(None, None, MIDNIGHT)}


@pytest.mark.parametrize(
    ("wish", "of_room", "chosen"),
    [
        (None, None, "vendor/fast"),
        (None, "vendor/good", "vendor/good"),
        ("other/only", None, "other/only"),
        ("other/only", "vendor/good", "other/only"),
    ],
)
async def test_model_is_the_messages_else_the_rooms_else_the_default(env, wish, of_room, chosen):
    accepted = await env.post(await env.room(model=of_room), model=wish)

    assert accepted.reply.model == chosen


async def test_room_moves_to_the_top(env):
    first, second = await env.room(), await env.room()
    await asyncio.sleep(1)
    await env.post(first)

    async with env.uow(read_only=True) as unit:
        assert [room.id for room in await unit.rooms.page(env.account_id, after=None, limit=10)] == [
            first.id,
            second.id,
        ]


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        pytest.param(InvalidInput, {"content": ""}, id="empty"),
        pytest.param(InvalidInput, {"content": "x" * 32_001}, id="too long"),
        pytest.param(InvalidInput, {"content": "a\x00b"}, id="NUL"),
        pytest.param(InvalidInput, {"content": " \n\u3000\u200b\u0301"}, id="blanks"),
        pytest.param(InvalidInput, {"content": "\u3164\u115f\u1160\uffa0\u2800"}, id="invisible letters"),
        pytest.param(InvalidInput, {"content": "a\ud83d"}, id="unpaired surrogate"),
        pytest.param(InvalidInput, {"key": ""}, id="empty key"),
        pytest.param(InvalidInput, {"key": "k" * 256}, id="key too long"),
        pytest.param(InvalidInput, {"key": "a\x00b"}, id="key with NUL"),
        pytest.param(UnknownModel, {"model": "vendor/unknown"}, id="unknown model"),
        pytest.param(UnknownModel, {"model": "fast"}, id="model without provider"),
        pytest.param(RoomNotFound, {"account_id": RAVI}, id="another's room"),
        pytest.param(TooManyPending, {"max_pending": 0}, id="too many pending"),
    ],
)
async def test_refused_message_changes_nothing(env, fault, wrong):
    room = await env.room()
    before = env.database.committed
    with pytest.raises(fault):
        await env.post(room, **{"key": "a key"} | wrong)

    assert env.database.committed == before
    assert await env.queued() == []


@pytest.mark.parametrize("content", ["x", "x" * 32_000, "\U0001f600" * 32_000, "  .", "naïve\n\t\u2028"])
async def test_any_other_text_is_stored_unchanged(env, content):
    accepted = await env.post(await env.room(), content)

    assert (await env.message(accepted.question)).content == content


async def test_room_whose_model_is_no_longer_offered_accepts_messages_for_another(env):
    room = await env.room(model="other/only")
    del env.providers["other"]
    with pytest.raises(UnknownModel):
        await env.post(room)

    assert (await env.post(room, model="vendor/good")).reply.model == "vendor/good"
    assert (await env.usage()).used == 1


async def test_pending_limit_holds_for_concurrent_messages(env):
    await env.set_plan(PRO)
    rooms = [await env.room() for _ in range(30)]
    done = await asyncio.gather(*(env.post(room, max_pending=7) for room in rooms), return_exceptions=True)

    assert [type(each).__name__ for each in done].count("Accepted") == 7
    assert [type(each) for each in done].count(TooManyPending) == 23
    assert {each.allowance.remaining for each in done} == {None}
    assert (await env.usage()).used == 7
    ravis = await env.room(account_id=RAVI)
    assert (await env.post(ravis, max_pending=7)).allowance.remaining == 4


async def test_refusal_by_the_pending_limit_has_the_quota_without_the_message(env):
    room = await env.room()
    await env.post(room)
    with pytest.raises(TooManyPending) as refused:
        await env.post(room, max_pending=1)

    assert refused.value.allowance == Allowance(5, 4, MIDNIGHT)


async def test_of_200_concurrent_messages_the_quota_is_accepted(env):
    rooms = [await env.room() for _ in range(4)]
    done = await asyncio.gather(
        *(env.post(room, max_pending=100) for _ in range(50) for room in rooms), return_exceptions=True
    )

    assert [type(each).__name__ for each in done].count("Accepted") == BASIC_LIMIT
    assert [type(each) for each in done].count(QuotaExceeded) == 195
    assert len(await env.queued()) == BASIC_LIMIT


async def test_pages_of_messages_join_without_gap_or_repetition(env):
    await env.set_plan(PRO)
    room = await env.room()
    for _ in range(7):
        await env.post(room)
    everything = await messages(env, room)
    for limit in (1, 3, 7, 14, 15):
        found, before = [], None
        for _ in everything:
            page = await read_branch(env.chat, account_id=env.account_id, room_id=room.id, before=before, limit=limit)
            found = page.items + found
            assert len(page.items) <= limit
            before = page.next_cursor
            if before is None:
                break
        assert found == everything


async def test_messages_of_others_are_not_found(env):
    room, beside = await env.room(), await env.room()
    accepted = await env.post(room)
    for account_id, room_id, message_id in (
        (RAVI, room.id, accepted.reply.id),
        (env.account_id, beside.id, accepted.reply.id),
        (env.account_id, room.id, UUID(int=0)),
    ):
        with pytest.raises(MessageNotFound):
            await read_message(env.chat, account_id=account_id, room_id=room_id, message_id=message_id)
    with pytest.raises(RoomNotFound):
        await read_branch(env.chat, account_id=RAVI, room_id=room.id, before=None, limit=10)
