"""Requeueing what the queue lost, and forgetting old idempotency keys."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import Status
from parley.core.chat.sweep import (
    BATCH,
    OWN_PATIENCE_SECONDS,
    PATIENCE_SECONDS,
    SWEEP_LEASE_SECONDS,
    forget_old_keys,
    requeue_overdue,
)
from tests.unit.chat.environment import LIMITS, ChatEnvironment
from tests.unit.chat.scripted_model import Gate

DAY = 86_400


async def sweep(env: ChatEnvironment) -> int:
    return await requeue_overdue(env.chat)


async def test_lost_reply_is_requeued_when_its_wait_is_over(env):
    reply = await env.reply()
    assert await sweep(env) == 0
    await asyncio.sleep(PATIENCE_SECONDS - 0.1)
    assert await sweep(env) == 0
    await asyncio.sleep(0.1)
    assert await sweep(env) == 1
    assert await env.queued() == [reply.id]


async def test_reply_that_is_lost_again_is_requeued_again(env):
    reply = await env.reply()
    for _ in range(3):
        await asyncio.sleep(PATIENCE_SECONDS)
        assert await sweep(env) == 1
        assert await sweep(env) == 0
        assert await env.queued() == [reply.id]


async def test_reply_of_a_dead_worker_is_requeued_when_its_lease_expires(env):
    reply = await env.reply()
    await env.claim(reply)
    await asyncio.sleep(LIMITS.lease - 0.1)
    assert await sweep(env) == 0
    await asyncio.sleep(0.1)
    assert await sweep(env) == 1

    env.model.will("An answer.")
    written = await env.write(reply)
    assert (written.status, written.attempt) == (Status.COMPLETED, 2)


async def test_postponed_reply_is_requeued_when_its_delay_is_over(env):
    reply = await env.reply()
    env.model.will(ModelUnavailable("model_overloaded", "The vendor is busy.", retry_after=60))
    await env.write(reply)
    await asyncio.sleep(59)
    assert await sweep(env) == 0
    await asyncio.sleep(1)
    assert await sweep(env) == 1
    assert await env.queued() == [reply.id]


async def test_reply_that_is_being_written_is_not_requeued(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    async with env.writing(reply, env.chat_with(idle=1_000)):
        await gate.reached()
        for _ in range(20):
            await asyncio.sleep(LIMITS.lease / 2)
            assert await sweep(env) == 0
        gate.open()


async def test_only_the_first_reply_of_each_room_is_requeued(env):
    rooms = [await env.room(), await env.room()]
    first = [await env.reply(room) for room in rooms]
    for room in rooms:
        await env.reply(room)
    await asyncio.sleep(PATIENCE_SECONDS)

    assert await sweep(env) == 2
    assert await env.queued() == [reply.id for reply in first]


async def test_concurrent_sweepers_requeue_each_reply_once(env):
    replies = [await env.reply() for _ in range(5)]
    await asyncio.sleep(PATIENCE_SECONDS)

    assert sum(await asyncio.gather(*(sweep(env) for _ in range(10)))) == len(replies)


async def test_sweep_is_committed_before_its_replies_are_queued(env):
    reply = await env.reply()
    await asyncio.sleep(PATIENCE_SECONDS)

    class CheckingQueue:
        """Reads the database at every put."""

        async def put(self, reply_id):
            assert reply_id == reply.id
            assert env.database.committed.replies[reply_id].queued_at == env.now()
            assert await requeue_overdue(env.chat) == 0

    assert await requeue_overdue(replace(env.chat, queue=CheckingQueue())) == 1


async def test_sweep_takes_at_most_a_batch(env):
    for _ in range(BATCH + 1):
        await env.reply(await env.room(account_id=env.new_id()))
    await asyncio.sleep(PATIENCE_SECONDS)

    assert [await sweep(env) for _ in range(3)] == [BATCH, 1, 0]


@pytest.mark.parametrize(("age", "forgotten"), [(DAY, 0), (DAY + 1, 1)])
async def test_keys_are_forgotten_after_a_day(env, age, forgotten):
    room = await env.room()
    await env.post(room, key="a key")
    await asyncio.sleep(age)
    await env.post(room, key="a newer key")

    assert await forget_old_keys(env.chat) == forgotten
    assert (await env.post(room, key="a newer key")).replayed
    assert len(env.database.committed.idempotency_keys) == 2 - forgotten


async def test_one_worker_at_a_time_sweeps(env):
    other = replace(env.chat, worker_id=env.new_id())
    first = await env.reply()
    await asyncio.sleep(PATIENCE_SECONDS)
    assert await sweep(env) == 1
    assert await env.queued() == [first.id]
    second = await env.reply()
    await env.claim(second, lease=1)
    await asyncio.sleep(1)
    assert await requeue_overdue(other) == 0
    assert await sweep(env) == 1
    assert await env.queued() == [second.id]

    await asyncio.sleep(SWEEP_LEASE_SECONDS)
    assert await requeue_overdue(other) == 2
    assert await sweep(env) == 0


async def test_sweep_that_finds_nothing_writes_nothing(env):
    await env.reply()
    before = env.database.committed
    assert await sweep(env) == 0
    assert env.database.committed is before


def own_sweep(env: ChatEnvironment, limit: int | None) -> Awaitable[int]:
    return requeue_overdue(env.chat, own_limit=lambda: limit)


async def test_a_worker_that_its_queue_does_not_reach_takes_what_waits_for_a_moment(env):
    reply = await env.reply()
    assert await own_sweep(env, 10) == 0
    await asyncio.sleep(OWN_PATIENCE_SECONDS)
    assert await own_sweep(env, 10) == 1
    assert await own_sweep(env, 10) == 0
    assert await env.queued() == [reply.id]


async def test_such_a_worker_leaves_what_is_beyond_its_limit_to_others(env):
    for _ in range(5):
        await env.reply(await env.room(account_id=env.new_id()))
    await asyncio.sleep(OWN_PATIENCE_SECONDS)
    assert [await own_sweep(env, limit) for limit in (3, 0, -1, 3)] == [3, 0, 0, 2]


async def test_such_workers_need_no_turn_and_take_each_reply_once(env):
    replies = [await env.reply(await env.room(account_id=env.new_id())) for _ in range(5)]
    other = replace(env.chat, worker_id=env.new_id())
    await asyncio.sleep(OWN_PATIENCE_SECONDS)
    taken = await asyncio.gather(own_sweep(env, 3), requeue_overdue(other, own_limit=lambda: 3))
    assert sum(taken) == len(replies)
    assert await env.queued() == [reply.id for reply in replies]


async def test_such_a_worker_takes_the_replies_of_a_room_in_order_and_leaves_those_that_are_written(env):
    room = await env.room()
    first, second = await env.reply(room), await env.reply(room)
    held = await env.reply(await env.room())
    await env.claim(held)
    await asyncio.sleep(OWN_PATIENCE_SECONDS)
    assert await own_sweep(env, 10) == 1
    assert await env.queued() == [first.id]
    env.model.will("An answer.")
    await env.attempt(first)
    # The end puts the next one on the queue by itself.
    assert await env.queued() == [second.id]


async def test_a_queue_that_works_again_is_swept_by_one_worker(env):
    other = replace(env.chat, worker_id=env.new_id())
    await env.reply()
    await asyncio.sleep(PATIENCE_SECONDS)
    assert await own_sweep(env, None) == 1
    await env.queued()
    await env.reply(await env.room(account_id=env.new_id()))
    await asyncio.sleep(PATIENCE_SECONDS - 0.1)
    assert await requeue_overdue(other, own_limit=lambda: None) == 0
