"""Ending a reply because its reader has seen enough."""

import asyncio
from uuid import UUID

import pytest

from parley.core.chat.errors import MessageNotFound, ModelUnavailable, NotAReply
from parley.core.chat.model import Status
from parley.core.chat.stop_reply import PATIENCE_SECONDS
from tests.unit.chat.desk import LIMITS, FreezingUnitOfWork
from tests.unit.chat.scripted_model import Gate

BUSY = ModelUnavailable("model_overloaded", "The vendor is busy.")


async def test_running_reply_ends_at_once_where_it_is(desk):
    room = await desk.room()
    reply, following = await desk.reply(room), await desk.reply(room)
    gate = Gate()
    desk.model.will("Half an", gate)
    async with desk.writing(reply):
        await gate.reached()
        stopped = await desk.stop(reply)

    assert asyncio.get_running_loop().time() == 0
    assert (stopped.status, stopped.content, stopped.attempt) == (Status.STOPPED, "Half an", 1)
    assert stopped == await desk.message(reply)
    assert await desk.queued() == [following.id]
    assert (await desk.usage()).used == 2


async def test_reply_that_nobody_has_yet_ends_here(desk):
    room = await desk.room()
    reply, following = await desk.reply(room), await desk.reply(room)

    stopped = await desk.stop(reply)
    assert (stopped.status, stopped.content, stopped.completed_at) == (Status.STOPPED, "", desk.now())
    assert await desk.queued() == [following.id]
    desk.model.will("An answer.")
    assert await desk.write(reply) == stopped
    assert desk.model.asked == []
    assert (await desk.write(following)).status is Status.COMPLETED


async def test_reply_that_waits_behind_another_ends_here(desk):
    room = await desk.room()
    running, waiting = await desk.reply(room), await desk.reply(room)
    gate = Gate()
    desk.model.will("An", gate, " answer.")
    async with desk.writing(running):
        await gate.reached()
        assert (await desk.stop(waiting)).status is Status.STOPPED
        gate.open()

    assert (await desk.message(running)).status is Status.COMPLETED
    assert running.id in await desk.queued()


async def test_reply_that_waits_for_its_next_attempt_keeps_what_readers_saw(desk):
    reply = await desk.reply()
    desk.model.will("Half an", BUSY)
    await desk.write(reply)

    stopped = await desk.stop(reply)
    assert (stopped.status, stopped.content) == (Status.STOPPED, "Half an")
    assert await desk.stream.text_so_far(reply.id) == ""
    assert (await desk.usage()).used == 1


async def test_reply_of_a_dead_worker_ends_here(desk):
    reply = await desk.reply()
    await desk.claim(reply)
    await asyncio.sleep(LIMITS.lease)

    stopped = await desk.stop(reply)
    assert (stopped.status, stopped.attempt) == (Status.STOPPED, 2)
    assert asyncio.get_running_loop().time() == LIMITS.lease


async def test_reply_of_a_silent_worker_is_returned_flagged_and_stops_with_its_next_look(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", gate)
    uow = FreezingUnitOfWork(desk.chat)
    async with desk.writing(reply, desk.writer(uow=uow)):
        await gate.reached()
        uow.awake.clear()
        found = await desk.stop(reply)
        assert found.status is Status.GENERATING
        assert asyncio.get_running_loop().time() == PATIENCE_SECONDS
        uow.awake.set()

    assert (await desk.message(reply)).status is Status.STOPPED


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.STOPPED])
async def test_reply_that_has_ended_stays_as_it_is(desk, status):
    reply = await desk.reply()
    if status is Status.STOPPED:
        await desk.stop(reply)
    else:
        desk.model.will("An answer.", *([BUSY] if status is Status.FAILED else []))
        await desk.write(reply, attempts=1)
    ended = await desk.message(reply)
    usage = await desk.usage()

    assert await desk.stop(reply) == ended
    assert ended.status is status
    assert await desk.usage() == usage


async def test_many_stops_end_it_once(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", gate)
    async with desk.writing(reply):
        await gate.reached()
        stopped = await asyncio.gather(*(desk.stop(reply) for _ in range(10)))

    assert stopped == [await desk.message(reply)] * 10


async def test_stop_and_worker_at_the_same_moment_leave_one_end(desk):
    desk.model.will("An answer.")
    reply = await desk.reply()
    stopped, _ = await asyncio.gather(desk.stop(reply), desk.writer().write(reply.id))

    assert stopped == await desk.message(reply)
    assert stopped.status.ended
    assert (await desk.usage()).used == 1


async def test_reply_whose_room_goes_meanwhile_is_not_found(desk):
    room = await desk.room()
    reply = await desk.reply(room)
    await desk.claim(reply)
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(failure(desk.stop(reply)))
        await asyncio.sleep(1)
        await desk.delete(room)

    assert stopping.result() is MessageNotFound


async def failure(attempt) -> type[Exception]:
    with pytest.raises(Exception) as raised:  # noqa: PT011  the caller looks at the type
        await attempt
    return raised.type


async def test_only_a_reply_of_ones_own_can_be_stopped(desk):
    accepted = await desk.post(await desk.room())
    with pytest.raises(NotAReply):
        await desk.stop(accepted.question)
    with pytest.raises(MessageNotFound):
        await desk.stop(accepted.reply, account_id=UUID(int=77))

    assert (await desk.message(accepted.reply)).status is Status.PENDING
