"""A worker that is told to leave."""

import asyncio

from parley.core.chat.model import Status
from tests.unit.chat.desk import LIMITS, FreezingUnitOfWork
from tests.unit.chat.scripted_model import Gate, Pause

RENEWAL = LIMITS.lease / 3


async def test_cancelled_worker_hands_the_reply_back(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", gate)
    desk.model.will("A whole answer.")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(desk.writer().write(reply.id))
        await gate.reached()
        task.cancel()

    assert task.cancelled()
    assert len(desk.model.closed_by) == 1
    waiting = await desk.message(reply)
    assert (waiting.status, waiting.content, waiting.attempt) == (Status.PENDING, "", 1)
    assert await desk.queued() == [reply.id]
    written = await desk.write(reply, attempts=1)
    assert (written.content, written.attempt) == ("A whole answer.", 2)
    assert asyncio.get_running_loop().time() == 0


async def test_worker_cancelled_while_it_renews_hands_the_reply_back(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will(gate)
    uow = FreezingUnitOfWork(desk.chat)
    task = asyncio.create_task(desk.writer(uow=uow).write(reply.id))
    await gate.reached()
    uow.awake.clear()
    await asyncio.sleep(RENEWAL)
    task.cancel()
    await asyncio.sleep(1)
    assert not task.done()
    uow.awake.set()
    await asyncio.wait([task])

    assert task.cancelled()
    assert await desk.queued() == [reply.id]
    assert await desk.claim(reply) is not None


async def test_overtaken_worker_that_is_cancelled_takes_nothing_back(desk):
    reply = await desk.reply()
    gates = [Gate(), Gate()]
    desk.model.will("Overtaken", gates[0])
    desk.model.will("An", gates[1], " answer.")
    uow = FreezingUnitOfWork(desk.chat)
    task = asyncio.create_task(desk.writer(uow=uow).write(reply.id))
    await gates[0].reached()
    uow.awake.clear()
    await asyncio.sleep(LIMITS.lease)
    async with desk.writing(reply):
        await gates[1].reached()
        task.cancel()
        uow.awake.set()
        await asyncio.wait([task])
        assert (await desk.message(reply)).status is Status.GENERATING
        assert await desk.queued() == []
        gates[1].open()

    assert (await desk.message(reply)).content == "An answer."


async def test_worker_cancelled_before_its_claim_leaves_the_reply_free(desk):
    reply = await desk.reply()
    desk.model.will(Pause(1), "An answer.")
    uow = FreezingUnitOfWork(desk.chat)
    uow.awake.clear()
    task = asyncio.create_task(desk.writer(uow=uow).write(reply.id))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert (await desk.write(reply)).attempt == 1
