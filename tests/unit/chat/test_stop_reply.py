"""Stopping a reply at its reader's request."""

import asyncio
from uuid import UUID

import pytest

from parley.core.chat.errors import MessageNotFound, ModelUnavailable, NotAReply
from parley.core.chat.model import Status
from parley.core.chat.stop_reply import PATIENCE_SECONDS
from parley.core.chat.write_reply import write_reply
from tests.fakes.streams import text_so_far
from tests.unit.chat.environment import LIMITS, FreezingUnitOfWork
from tests.unit.chat.scripted_model import Gate

BUSY = ModelUnavailable("model_overloaded", "The vendor is busy.")


async def test_running_reply_is_stopped_at_once_with_its_text(env):
    room = await env.room()
    reply, following = await env.reply(room), await env.reply(room)
    gate = Gate()
    env.model.will("Half an", gate)
    async with env.writing(reply):
        await gate.reached()
        stopped = await env.stop(reply)

    assert asyncio.get_running_loop().time() == 0
    assert (stopped.status, stopped.content, stopped.attempt) == (Status.STOPPED, "Half an", 1)
    assert stopped == await env.message(reply)
    assert await env.queued() == [following.id]
    assert (await env.usage()).used == 2


async def test_unclaimed_reply_is_ended_by_the_request(env):
    room = await env.room()
    reply, following = await env.reply(room), await env.reply(room)

    stopped = await env.stop(reply)
    assert (stopped.status, stopped.content, stopped.completed_at) == (Status.STOPPED, "", env.now())
    assert await env.queued() == [following.id]
    env.model.will("An answer.")
    assert await env.write(reply) == stopped
    assert env.model.asked == []
    assert (await env.write(following)).status is Status.COMPLETED


async def test_reply_behind_another_is_ended_by_the_request(env):
    room = await env.room()
    running, waiting = await env.reply(room), await env.reply(room)
    gate = Gate()
    env.model.will("An", gate, " answer.")
    async with env.writing(running):
        await gate.reached()
        assert (await env.stop(waiting)).status is Status.STOPPED
        gate.open()

    assert (await env.message(running)).status is Status.COMPLETED
    assert running.id in await env.queued()


async def test_postponed_reply_keeps_the_text_that_readers_have(env):
    reply = await env.reply()
    env.model.will("Half an", BUSY)
    await env.write(reply)

    stopped = await env.stop(reply)
    assert (stopped.status, stopped.content) == (Status.STOPPED, "Half an")
    assert await text_so_far(env.stream, reply.id) == ""
    assert (await env.usage()).used == 1


async def test_reply_of_a_dead_worker_is_ended_by_the_request(env):
    reply = await env.reply()
    await env.claim(reply)
    await asyncio.sleep(LIMITS.lease)

    stopped = await env.stop(reply)
    assert (stopped.status, stopped.attempt) == (Status.STOPPED, 2)
    assert asyncio.get_running_loop().time() == LIMITS.lease


async def test_reply_of_a_frozen_worker_is_stopped_when_it_wakes_up(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate)
    uow = FreezingUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)):
        await gate.reached()
        uow.awake.clear()
        found = await env.stop(reply)
        assert found.status is Status.GENERATING
        assert asyncio.get_running_loop().time() == PATIENCE_SECONDS
        uow.awake.set()

    assert (await env.message(reply)).status is Status.STOPPED


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.STOPPED])
async def test_ended_reply_does_not_change(env, status):
    reply = await env.reply()
    if status is Status.STOPPED:
        await env.stop(reply)
    else:
        env.model.will("An answer.", *([BUSY] if status is Status.FAILED else []))
        await env.write(reply, attempts=1)
    ended = await env.message(reply)
    usage = await env.usage()

    assert await env.stop(reply) == ended
    assert ended.status is status
    assert await env.usage() == usage


async def test_concurrent_stops_end_the_reply_once(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate)
    async with env.writing(reply):
        await gate.reached()
        stopped = await asyncio.gather(*(env.stop(reply) for _ in range(10)))

    assert stopped == [await env.message(reply)] * 10


async def test_concurrent_stop_and_worker_end_the_reply_once(env):
    env.model.will("An answer.")
    reply = await env.reply()
    stopped, _ = await asyncio.gather(env.stop(reply), write_reply(env.chat, reply.id))

    assert stopped == await env.message(reply)
    assert stopped.status.ended
    assert (await env.usage()).used == 1


async def test_reply_whose_room_is_deleted_meanwhile_is_not_found(env):
    room = await env.room()
    reply = await env.reply(room)
    await env.claim(reply)
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(failure(env.stop(reply)))
        await asyncio.sleep(1)
        await env.delete(room)

    assert stopping.result() is MessageNotFound


async def failure(attempt) -> type[Exception]:
    with pytest.raises(Exception) as raised:  # noqa: PT011  the caller looks at the type
        await attempt
    return raised.type


async def test_only_replies_of_the_account_can_be_stopped(env):
    accepted = await env.post(await env.room())
    with pytest.raises(NotAReply):
        await env.stop(accepted.question)
    with pytest.raises(MessageNotFound):
        await env.stop(accepted.reply, account_id=UUID(int=77))

    assert (await env.message(accepted.reply)).status is Status.PENDING
