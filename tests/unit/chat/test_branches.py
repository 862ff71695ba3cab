"""Edits and other replies: quota, order, what models are sent, and refusals that change nothing."""

import asyncio

import pytest

from parley.core.chat.accepted import Accepted
from parley.core.chat.errors import (
    MessageNotFound,
    ModelRefused,
    NotAReply,
    QuotaExceeded,
    RoomNotFound,
    TooManyPending,
)
from parley.core.chat.messages import edit_message, regenerate_reply
from parley.core.chat.model import Message, Status
from parley.core.chat.rooms import show_branch
from parley.core.plans import PRO
from tests.unit.chat.environment import BASIC_LIMIT, ChatEnvironment
from tests.unit.chat.scripted_model import Gate


async def edit(env: ChatEnvironment, message: Message, content: str = "Better", *, max_pending: int = 20) -> Accepted:
    return await edit_message(
        env.chat_with(max_pending=max_pending),
        account_id=env.account_id,
        room_id=message.room_id,
        message_id=message.id,
        content=content,
        model=None,
        key=None,
    )


async def regenerate(
    env: ChatEnvironment, reply: Message, model: str | None = None, *, max_pending: int = 20
) -> Accepted:
    return await regenerate_reply(
        env.chat_with(max_pending=max_pending),
        account_id=env.account_id,
        room_id=reply.room_id,
        reply_id=reply.id,
        model=model,
        key=None,
    )


async def test_edit_and_other_reply_count_like_messages_and_are_queued(env):
    first = await env.post(await env.room())
    edited = await edit(env, first.question)
    other = await regenerate(env, first.reply)

    assert [each.allowance.remaining for each in (first, edited, other)] == [4, 3, 2]
    assert await env.queued() == [first.reply.id, edited.reply.id, other.reply.id]
    assert [each.reply.position for each in (first, edited, other)] == [2, 4, 5]
    assert (await env.usage()).used == 3


async def test_refused_edit_and_other_reply_change_nothing(env):
    first = await env.post(await env.room())
    for refuse in (
        lambda: edit(env, first.question, max_pending=1),
        lambda: regenerate(env, first.reply, max_pending=1),
    ):
        with pytest.raises(TooManyPending):
            await refuse()
    with pytest.raises(NotAReply):
        await regenerate(env, first.question)
    for _ in range(BASIC_LIMIT - 1):
        await regenerate(env, first.reply)
    for refuse in (lambda: edit(env, first.question), lambda: regenerate(env, first.reply)):
        with pytest.raises(QuotaExceeded):
            await refuse()

    assert (await env.usage()).used == BASIC_LIMIT
    assert (await env.message(first.reply)).siblings.count == BASIC_LIMIT
    assert (await env.message(first.question)).siblings.count == 1


async def test_other_reply_has_the_rooms_model_unless_another_one_is_given(env):
    room = await env.room(model="vendor/good")
    first = await env.post(room, model="vendor/fast")
    assert (await regenerate(env, first.reply)).reply.model == "vendor/good"
    assert (await regenerate(env, first.reply, "other/only")).reply.model == "other/only"


async def test_failed_other_reply_gives_its_message_back_and_can_be_repeated(env):
    env.model.scripts = [("One",), (ModelRefused("model_refused", "No."),), ("Three",), ("Next",)]
    room = await env.room()
    first = await env.post(room, "first")
    await env.write(first.reply)
    second = await regenerate(env, first.reply)
    assert (await env.write(second.reply)).status is Status.FAILED
    assert (await env.usage()).used == 1
    third = await regenerate(env, second.reply)
    await env.write(third.reply)
    await env.write((await env.post(room, "next")).reply)

    assert [[turn.content for turn in asked.turns] for asked in env.model.asked] == [
        ["first"], ["first"], ["first"], ["first", "Three", "next"]
    ]  # fmt: skip


async def test_message_behind_a_failed_reply_is_sent_without_that_exchange(env):
    env.model.scripts = [(ModelRefused("model_refused", "No."),), ("Two",)]
    room = await env.room()
    failed = await env.post(room, "first")
    await env.write(failed.reply)
    await env.write((await env.post(room, "second")).reply)
    assert [turn.content for turn in env.model.asked[-1].turns] == ["second"]


async def test_other_reply_waits_for_the_one_that_is_written(env):
    gate = Gate()
    env.model.scripts = [("One", gate), ("Two",)]
    first = await env.post(await env.room())
    async with env.writing(first.reply):
        await gate.reached()
        other = await regenerate(env, first.reply)
        assert await env.claim(other.reply) is None
        gate.open()
    assert (await env.write(other.reply)).content == "Two"
    assert (await env.message(first.reply)).content == "One"


async def test_branch_of_another_account_or_room_is_not_shown(env):
    room = await env.room()
    first = await env.post(room)
    beside = await env.room()
    with pytest.raises(MessageNotFound):
        await show_branch(env.chat, account_id=env.account_id, room_id=beside.id, message_id=first.reply.id)
    with pytest.raises(RoomNotFound):
        await show_branch(env.chat, account_id=env.new_id(), room_id=room.id, message_id=first.reply.id)


async def test_parallel_edits_get_siblings_without_gaps(env):
    await env.set_plan(PRO)
    first = await env.post(await env.room())
    edits = await asyncio.gather(*(edit(env, first.question, max_pending=100) for _ in range(30)))
    indexes = [(await env.message(each.question)).siblings.index for each in edits]
    assert sorted(indexes) == list(range(1, 31))
