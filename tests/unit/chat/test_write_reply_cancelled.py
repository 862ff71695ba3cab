"""Cancelling a worker that writes a reply."""

import asyncio

import pytest

from parley.core.chat.model import Status
from parley.core.chat.write_reply import CLAIM_GRACE_SECONDS, MAX_LOST_WORKERS, write_reply
from tests.unit.chat.environment import LIMITS, FreezingUnitOfWork, SlowAnswersUnitOfWork, SlowUnitOfWork
from tests.unit.chat.scripted_model import Gate, Pause

RENEWAL = LIMITS.lease / 3


async def test_cancelled_worker_releases_the_reply(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate)
    env.model.will("A whole answer.")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(write_reply(env.chat, reply.id))
        await gate.reached()
        task.cancel()

    assert task.cancelled()
    assert len(env.model.closed_by) == 1
    waiting = await env.message(reply)
    assert (waiting.status, waiting.content, waiting.attempt) == (Status.PENDING, "", 1)
    assert await env.queued() == [reply.id]
    written = await env.write(reply, attempts=1)
    assert (written.content, written.attempt) == ("A whole answer.", 2)
    assert asyncio.get_running_loop().time() == 0


async def test_worker_cancelled_during_a_renewal_releases_the_reply(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will(gate)
    uow = FreezingUnitOfWork(env.uow)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await gate.reached()
    uow.awake.clear()
    await asyncio.sleep(RENEWAL)
    task.cancel()
    await asyncio.sleep(1)
    assert not task.done()
    uow.awake.set()
    await asyncio.wait([task])

    assert task.cancelled()
    assert await env.queued() == [reply.id]
    assert await env.claim(reply) is not None


async def test_overtaken_worker_that_is_cancelled_changes_nothing(env):
    reply = await env.reply()
    gates = [Gate(), Gate()]
    env.model.will("Overtaken", gates[0])
    env.model.will("An", gates[1], " answer.")
    uow = FreezingUnitOfWork(env.uow)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await gates[0].reached()
    uow.awake.clear()
    await asyncio.sleep(LIMITS.lease)
    async with env.writing(reply):
        await gates[1].reached()
        task.cancel()
        uow.awake.set()
        await asyncio.wait([task])
        assert (await env.message(reply)).status is Status.GENERATING
        assert await env.queued() == []
        gates[1].open()

    assert (await env.message(reply)).content == "An answer."


@pytest.mark.parametrize("while_it", ["renews", "ends"])
async def test_cancellation_interrupts_no_transaction(env, while_it):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    uow = SlowUnitOfWork(env.uow)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
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
    assert uow.cancelled == 0
    assert (await env.message(reply)).status is (Status.PENDING if while_it == "renews" else Status.COMPLETED)


async def test_end_of_the_model_interrupts_no_renewal(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    uow = SlowUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)):
        await gate.reached()
        uow.seconds = 1.0
        await asyncio.sleep(RENEWAL + 0.5)
        gate.open()

    assert uow.cancelled == 0
    assert (await env.message(reply)).content == "An answer."


async def test_worker_that_is_cancelled_twice_releases_the_reply(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will(gate)
    uow = SlowUnitOfWork(env.uow)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await gate.reached()
    uow.seconds = 1.0
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)

    assert task.cancelled()
    assert uow.cancelled == 0
    assert await env.queued() == [reply.id]


async def test_worker_cancelled_before_its_claim_claims_nothing(env):
    reply = await env.reply()
    env.model.will(Pause(1), "An answer.")
    uow = FreezingUnitOfWork(env.uow)
    uow.awake.clear()
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert (await env.write(reply)).attempt == 1


async def test_worker_cancelled_while_its_claim_commits_releases_the_reply_at_once(env):
    reply = await env.reply()
    uow = SlowAnswersUnitOfWork(env.uow, seconds=0.5)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await asyncio.sleep(0.1)
    assert (await env.message(reply)).status is Status.GENERATING
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert (await env.message(reply)).status is Status.PENDING
    assert await env.queued() == [reply.id]
    assert env.model.asked == []
    assert asyncio.get_running_loop().time() < LIMITS.lease / 2


async def test_worker_does_not_wait_long_for_the_answer_to_its_claim(env):
    reply = await env.reply()
    uow = SlowAnswersUnitOfWork(env.uow, seconds=1_000)
    task = asyncio.create_task(write_reply(env.chat_with(uow=uow), reply.id))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert asyncio.get_running_loop().time() == pytest.approx(0.1 + CLAIM_GRACE_SECONDS)
    assert await env.queued() == []


async def test_graceful_restarts_do_not_count_as_lost_workers(env):
    reply = await env.reply()
    gates = [Gate() for _ in range(MAX_LOST_WORKERS + 2)]
    for gate in gates:
        env.model.will(gate)
    env.model.will("An answer.")
    for gate in gates:
        task = asyncio.create_task(write_reply(env.chat, reply.id))
        await gate.reached()
        task.cancel()
        await asyncio.wait([task])
        assert await env.queued() == [reply.id]

    written = await env.write(reply)
    assert (written.status, written.attempt) == (Status.COMPLETED, MAX_LOST_WORKERS + 3)
