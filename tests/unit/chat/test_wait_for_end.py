"""Waiting for a reply to end."""

import asyncio
from uuid import UUID

from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.model import Message, Status
from tests.unit.chat.environment import ChatEnvironment
from tests.unit.chat.scripted_model import Pause

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


async def waited(
    env: ChatEnvironment, reply: Message, seconds: float, *, account_id: UUID | None = None
) -> Message | None:
    return await wait_for_end(
        env.chat,
        account_id=account_id or env.account_id,
        room_id=reply.room_id,
        reply_id=reply.id,
        seconds=seconds,
    )


async def test_waiting_ends_with_the_reply(env):
    reply = await env.reply()
    env.model.will(*WORDS)
    async with env.writing(reply):
        found = await waited(env, reply, 30)
    assert found == await env.message(reply)
    assert found.status is Status.COMPLETED
    assert asyncio.get_running_loop().time() == 2


async def test_waiting_ends_after_the_given_time(env):
    reply = await env.reply()

    assert await waited(env, reply, 29.5) == reply
    assert asyncio.get_running_loop().time() == 29.5
    assert await waited(env, reply, 1, account_id=UUID(int=77)) is None


async def test_waiting_ends_when_the_process_shuts_down(env):
    reply = await env.reply()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(waited(env, reply, 30))
        await asyncio.sleep(1)
        env.stream.close()

    assert waiting.result() == reply
    assert asyncio.get_running_loop().time() == 1


async def test_waiting_for_a_deleted_reply_ends_with_none(env):
    room = await env.room()
    reply = await env.reply(room)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(waited(env, reply, 30))
        await asyncio.sleep(0.5)
        await env.delete(room)

    assert waiting.result() is None
    assert asyncio.get_running_loop().time() == 1
