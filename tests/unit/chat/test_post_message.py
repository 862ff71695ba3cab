"""Accepting a message for exactly one reply."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from parley.core.billing.model import Plan
from parley.core.chat.errors import (
    MessageNotFound,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
    UnknownModel,
)
from parley.core.chat.messages import read_message, read_messages
from parley.core.chat.model import Allowance, Message, Role, Room, Status
from parley.core.errors import InvalidInput
from tests.unit.chat.desk import BASIC_LIMIT, BEGINNING, Desk

MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)
RAVI = UUID(int=77)


async def said(desk: Desk, room: Room) -> list[Message]:
    page = await read_messages(uow=desk.chat, account_id=room.account_id, room_id=room.id, before=None, limit=100)
    assert page.next_cursor is None
    return page.items


async def test_message_is_kept_with_its_pending_reply(desk):
    room = await desk.room()
    accepted = await desk.post(room, "A question")
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
    )
    assert not accepted.replayed
    assert await said(desk, room) == [question, reply]
    assert await desk.queued() == [reply.id]


async def test_quota_is_counted_and_told(desk):
    room = await desk.room()
    accepted = [await desk.post(room) for _ in range(BASIC_LIMIT)]

    assert [each.allowance for each in accepted] == [Allowance(5, left, MIDNIGHT) for left in (4, 3, 2, 1, 0)]
    with pytest.raises(QuotaExceeded) as refused:
        await desk.post(room)
    assert refused.value.allowance == Allowance(5, 0, MIDNIGHT)
    assert "5 messages" in refused.value.detail


async def test_quota_begins_again_at_midnight(desk):
    room = await desk.room()
    for _ in range(BASIC_LIMIT):
        await desk.post(room)
    await asyncio.sleep((MIDNIGHT - BEGINNING).total_seconds())

    assert (await desk.post(room)).allowance == Allowance(5, 4, MIDNIGHT + timedelta(days=1))


async def test_plan_without_limit_never_refuses(desk):
    await desk.put_on(Plan.PRO)
    room = await desk.room()
    accepted = [await desk.post(room) for _ in range(BASIC_LIMIT + 3)]

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
async def test_model_is_the_messages_else_the_rooms_else_the_default(desk, wish, of_room, chosen):
    accepted = await desk.post(await desk.room(model=of_room), model=wish)

    assert accepted.reply.model == chosen


async def test_room_becomes_the_latest(desk):
    first, second = await desk.room(), await desk.room()
    await asyncio.sleep(1)
    await desk.post(first)

    async with desk.chat(read_only=True) as unit:
        assert [room.id for room in await unit.rooms.page(desk.account_id, after=None, limit=10)] == [
            first.id,
            second.id,
        ]


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        pytest.param(InvalidInput, {"content": ""}, id="empty"),
        pytest.param(InvalidInput, {"content": "x" * 32_001}, id="too long"),
        pytest.param(InvalidInput, {"content": "a\x00b"}, id="NUL"),
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
async def test_refused_message_changes_nothing(desk, fault, wrong):
    room = await desk.room()
    before = desk.database.committed
    with pytest.raises(fault):
        await desk.post(room, **{"key": "a key"} | wrong)

    assert desk.database.committed == before
    assert await desk.queued() == []


@pytest.mark.parametrize("content", ["x", "x" * 32_000, "\U0001f600" * 32_000, " ", "naïve\n\t\u2028"])
async def test_any_other_text_is_kept_as_it_is(desk, content):
    accepted = await desk.post(await desk.room(), content)

    assert (await desk.message(accepted.question)).content == content


async def test_room_whose_model_is_gone_takes_messages_for_another(desk):
    room = await desk.room(model="other/only")
    del desk.catalogue.providers["other"]
    with pytest.raises(UnknownModel):
        await desk.post(room)

    assert (await desk.post(room, model="vendor/good")).reply.model == "vendor/good"
    assert (await desk.usage()).used == 1


async def test_account_may_wait_for_so_many_replies_and_no_more(desk):
    await desk.put_on(Plan.PRO)
    rooms = [await desk.room() for _ in range(30)]
    done = await asyncio.gather(*(desk.post(room, max_pending=7) for room in rooms), return_exceptions=True)

    assert [type(each).__name__ for each in done].count("Accepted") == 7
    assert [type(each) for each in done].count(TooManyPending) == 23
    assert {each.allowance.remaining for each in done} == {None}
    assert (await desk.usage()).used == 7
    ravis = await desk.room(account_id=RAVI)
    assert (await desk.post(ravis, max_pending=7)).allowance.remaining == 4


async def test_message_that_must_wait_is_told_the_quota_without_it(desk):
    room = await desk.room()
    await desk.post(room)
    with pytest.raises(TooManyPending) as refused:
        await desk.post(room, max_pending=1)

    assert refused.value.allowance == Allowance(5, 4, MIDNIGHT)


async def test_of_200_parallel_messages_the_plans_are_accepted(desk):
    rooms = [await desk.room() for _ in range(4)]
    done = await asyncio.gather(
        *(desk.post(room, max_pending=100) for _ in range(50) for room in rooms), return_exceptions=True
    )

    assert [type(each).__name__ for each in done].count("Accepted") == BASIC_LIMIT
    assert [type(each) for each in done].count(QuotaExceeded) == 195
    assert len(await desk.queued()) == BASIC_LIMIT


async def test_pages_of_messages_join_without_gap_or_repeat(desk):
    await desk.put_on(Plan.PRO)
    room = await desk.room()
    for _ in range(7):
        await desk.post(room)
    everything = await said(desk, room)
    for limit in (1, 3, 7, 14, 15):
        found, before = [], None
        for _ in everything:
            page = await read_messages(
                uow=desk.chat, account_id=desk.account_id, room_id=room.id, before=before, limit=limit
            )
            found = page.items + found
            assert len(page.items) <= limit
            before = page.next_cursor
            if before is None:
                break
        assert found == everything


async def test_messages_of_others_are_not_found(desk):
    room, beside = await desk.room(), await desk.room()
    accepted = await desk.post(room)
    for account_id, room_id, message_id in (
        (RAVI, room.id, accepted.reply.id),
        (desk.account_id, beside.id, accepted.reply.id),
        (desk.account_id, room.id, UUID(int=0)),
    ):
        with pytest.raises(MessageNotFound):
            await read_message(uow=desk.chat, account_id=account_id, room_id=room_id, message_id=message_id)
    with pytest.raises(RoomNotFound):
        await read_messages(uow=desk.chat, account_id=RAVI, room_id=room.id, before=None, limit=10)
