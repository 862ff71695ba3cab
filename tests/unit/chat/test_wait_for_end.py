"""Waiting for a reply to end."""

import asyncio
from uuid import UUID

from parley.core.chat.follow_reply import (
    wait_for_end,
)
from parley.core.chat.model import Message, Status
from tests.unit.chat.desk import Desk
from tests.unit.chat.scripted_model import Pause

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


async def waited(desk: Desk, reply: Message, seconds: float, *, account_id: UUID | None = None) -> Message | None:
    return await wait_for_end(
        uow=desk.chat,
        stream=desk.stream,
        account_id=account_id or desk.account_id,
        room_id=reply.room_id,
        reply_id=reply.id,
        seconds=seconds,
    )


async def test_waiting_ends_with_the_reply(desk):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    async with desk.writing(reply):
        found = await waited(desk, reply, 30)
    assert found == await desk.message(reply)
    assert found.status is Status.COMPLETED
    assert asyncio.get_running_loop().time() == 2


async def test_waiting_ends_with_the_time(desk):
    reply = await desk.reply()

    assert await waited(desk, reply, 29.5) == reply
    assert asyncio.get_running_loop().time() == 29.5
    assert await waited(desk, reply, 1, account_id=UUID(int=77)) is None


async def test_waiting_ends_when_the_process_leaves(desk):
    reply = await desk.reply()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(waited(desk, reply, 30))
        await asyncio.sleep(1)
        desk.stream.close()

    assert waiting.result() == reply
    assert asyncio.get_running_loop().time() == 1


async def test_waiting_for_what_was_deleted_ends_with_nothing(desk):
    room = await desk.room()
    reply = await desk.reply(room)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(waited(desk, reply, 30))
        await asyncio.sleep(0.5)
        await desk.delete(room)

    assert waiting.result() is None
    assert asyncio.get_running_loop().time() == 1
