"""A worker that is told to leave."""

import asyncio

import pytest

from parley.core.chat.model import Status
from tests.unit.chat.desk import LIMITS, FreezingUnitOfWork, SlowUnitOfWork
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


@pytest.mark.parametrize("while_it", ["renews", "ends"])
async def test_cancelling_cuts_no_transaction_off(desk, while_it):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("An", gate, " answer.")
    uow = SlowUnitOfWork(desk.chat)
    task = asyncio.create_task(desk.writer(uow=uow).write(reply.id))
    await gate.reached()
    uow.seconds = 1.0
    if while_it == "renews":
        await asyncio.sleep(RENEWAL)
    else:
        gate.open()
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert uow.on_disconnect == 0
    assert (await desk.message(reply)).status is (Status.PENDING if while_it == "renews" else Status.COMPLETED)


async def test_model_that_ends_cuts_no_renewal_off(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("An", gate, " answer.")
    uow = SlowUnitOfWork(desk.chat)
    async with desk.writing(reply, desk.writer(uow=uow)):
        await gate.reached()
        uow.seconds = 1.0
        await asyncio.sleep(RENEWAL + 0.5)
        gate.open()

    assert uow.on_disconnect == 0
    assert (await desk.message(reply)).content == "An answer."


async def test_worker_that_is_cancelled_twice_hands_the_reply_back(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will(gate)
    uow = SlowUnitOfWork(desk.chat)
    task = asyncio.create_task(desk.writer(uow=uow).write(reply.id))
    await gate.reached()
    uow.seconds = 1.0
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)

    assert task.cancelled()
    assert uow.on_disconnect == 0
    assert await desk.queued() == [reply.id]


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
