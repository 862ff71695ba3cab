"""Finding what the queue lost."""

import asyncio

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import Status
from parley.core.chat.sweep import BATCH, PATIENCE_SECONDS, forget_old_keys, requeue_overdue
from tests.unit.chat.desk import LIMITS, Desk
from tests.unit.chat.scripted_model import Gate

DAY = 86_400


async def sweep(desk: Desk) -> int:
    return await requeue_overdue(uow=desk.chat, queue=desk.queue)


async def test_reply_that_the_queue_lost_is_found_after_a_while(desk):
    reply = await desk.reply()
    assert await sweep(desk) == 0
    await asyncio.sleep(PATIENCE_SECONDS - 0.1)
    assert await sweep(desk) == 0
    await asyncio.sleep(0.1)
    assert await sweep(desk) == 1
    assert await desk.queued() == [reply.id]


async def test_reply_that_is_lost_again_is_found_again(desk):
    reply = await desk.reply()
    for _ in range(3):
        await asyncio.sleep(PATIENCE_SECONDS)
        assert await sweep(desk) == 1
        assert await sweep(desk) == 0
        assert await desk.queued() == [reply.id]


async def test_reply_of_a_dead_worker_is_found_when_its_lease_runs_out(desk):
    reply = await desk.reply()
    await desk.claim(reply)
    await asyncio.sleep(LIMITS.lease - 0.1)
    assert await sweep(desk) == 0
    await asyncio.sleep(0.1)
    assert await sweep(desk) == 1

    desk.model.will("An answer.")
    written = await desk.write(reply)
    assert (written.status, written.attempt) == (Status.COMPLETED, 2)


async def test_reply_is_found_when_its_delay_is_over(desk):
    reply = await desk.reply()
    desk.model.will(ModelUnavailable("model_overloaded", "The vendor is busy.", retry_after=60))
    await desk.write(reply)
    await asyncio.sleep(59)
    assert await sweep(desk) == 0
    await asyncio.sleep(1)
    assert await sweep(desk) == 1
    assert await desk.queued() == [reply.id]


async def test_reply_that_is_being_written_is_left_alone(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("An", gate, " answer.")
    async with desk.writing(reply, desk.writer(idle=1_000)):
        await gate.reached()
        for _ in range(20):
            await asyncio.sleep(LIMITS.lease / 2)
            assert await sweep(desk) == 0
        gate.open()


async def test_only_the_first_of_each_room_is_put_on_the_queue(desk):
    rooms = [await desk.room(), await desk.room()]
    first = [await desk.reply(room) for room in rooms]
    for room in rooms:
        await desk.reply(room)
    await asyncio.sleep(PATIENCE_SECONDS)

    assert await sweep(desk) == 2
    assert await desk.queued() == [reply.id for reply in first]


async def test_many_sweepers_put_each_reply_on_the_queue_once(desk):
    replies = [await desk.reply() for _ in range(5)]
    await asyncio.sleep(PATIENCE_SECONDS)

    assert sum(await asyncio.gather(*(sweep(desk) for _ in range(10)))) == len(replies)


async def test_what_is_found_is_committed_before_it_is_put_on_the_queue(desk):
    reply = await desk.reply()
    await asyncio.sleep(PATIENCE_SECONDS)

    class Looking:
        """A queue that looks into the database when it is given something."""

        async def put(self, reply_id):
            assert reply_id == reply.id
            assert desk.database.committed.replies[reply_id].queued_at == desk.now()
            assert await requeue_overdue(uow=desk.chat, queue=desk.queue) == 0

    assert await requeue_overdue(uow=desk.chat, queue=Looking()) == 1


async def test_sweep_takes_no_more_than_a_batch(desk):
    for _ in range(BATCH + 1):
        await desk.reply(await desk.room(account_id=desk.new_id()))
    await asyncio.sleep(PATIENCE_SECONDS)

    assert [await sweep(desk) for _ in range(3)] == [BATCH, 1, 0]


@pytest.mark.parametrize(("age", "forgotten"), [(DAY, 0), (DAY + 1, 1)])
async def test_keys_are_forgotten_after_their_day(desk, age, forgotten):
    room = await desk.room()
    await desk.post(room, key="a key")
    await asyncio.sleep(age)
    await desk.post(room, key="a newer key")

    assert await forget_old_keys(uow=desk.chat, now=desk.now()) == forgotten
    assert (await desk.post(room, key="a newer key")).replayed
    assert len(desk.database.committed.idempotency_keys) == 2 - forgotten
