"""Workers that are stopped or lose their lease before the reply ends."""

import asyncio

import pytest

from parley.core.chat.model import Message, Status
from parley.core.chat.ports import StreamEnd
from parley.core.chat.sweep import requeue_overdue
from tests.fakes.streams import text_so_far
from tests.unit.chat.environment import LIMITS, ChatEnvironment, FreezingUnitOfWork
from tests.unit.chat.scripted_model import Gate, Pause

RENEWAL = LIMITS.lease / 3


async def flag(env: ChatEnvironment, reply: Message) -> None:
    async with env.uow() as unit:
        assert await unit.replies.request_stop(reply.id)
        await unit.commit()


async def test_lease_is_renewed_for_as_long_as_the_model_takes(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("A", gate, " slow answer.")
    async with env.writing(reply, env.chat_with(idle=10_000, total=10_000)):
        await gate.reached()
        for _ in range(1_000):
            await asyncio.sleep(LIMITS.lease / 2)
            assert env.due_in(reply) >= LIMITS.lease / 2
            assert await env.claim(reply) is None
        assert await requeue_overdue(env.chat) == 0
        gate.open()

    written = await env.message(reply)
    assert (written.content, written.attempt) == ("A slow answer.", 1)


async def test_stop_signal_ends_the_reply_at_once_with_the_text_so_far(env):
    room = await env.room()
    reply, following = await env.reply(room), await env.reply(room)
    gate = Gate()
    env.model.will("Half an", gate, " answer.")
    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        await gate.reached()
        await flag(env, reply)
        await env.chat.stop_signals.send(reply.id)
        while await chunks.receive(within=60) is not StreamEnd.ENDED:
            assert asyncio.get_running_loop().time() == 0
        assert asyncio.get_running_loop().time() == 0

    stopped = await env.message(reply)
    assert (stopped.status, stopped.content, stopped.usage, stopped.error) == (Status.STOPPED, "Half an", None, None)
    assert len(env.model.closed_by) == 1
    assert (await env.usage()).used == 2
    assert await env.queued() == [following.id]


async def test_stop_without_a_signal_is_found_at_the_next_renewal(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate)
    async with env.writing(reply):
        await gate.reached()
        await flag(env, reply)

    assert (await env.message(reply)).content == "Half an"
    assert asyncio.get_running_loop().time() == RENEWAL


async def test_signal_without_a_stop_changes_nothing(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("A whole", gate, " answer.")
    async with env.writing(reply):
        await gate.reached()
        for _ in range(3):
            await env.chat.stop_signals.send(reply.id)
            await asyncio.sleep(1)
        gate.open()

    assert (await env.message(reply)).content == "A whole answer."


async def test_stopped_reply_is_not_begun(env):
    reply = await env.reply()
    env.model.will("An answer.")
    await flag(env, reply)

    stopped = await env.write(reply)
    assert (stopped.status, stopped.content) == (Status.STOPPED, "")
    assert env.model.asked == []


async def test_stopped_reply_keeps_the_text_of_a_lost_worker(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate)
    uow = FreezingUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)):
        await gate.reached()
        uow.awake.clear()
        await asyncio.sleep(LIMITS.lease)
        await flag(env, reply)

        stopped = await env.write(reply)
        assert (stopped.status, stopped.content, stopped.attempt) == (Status.STOPPED, "Half an", 2)
        uow.awake.set()


@pytest.mark.parametrize("wakes", ["at its model's end", "at its next renewal"])
async def test_overtaken_worker_changes_nothing_when_it_wakes_up(env, wakes):
    room = await env.room()
    reply, following = await env.reply(room), await env.reply(room)
    gate = Gate()
    env.model.will("Overtaken", gate, ".")
    env.model.will("An answer.")
    uow = FreezingUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)):
        await gate.reached()
        uow.awake.clear()
        await asyncio.sleep(LIMITS.lease)
        assert await requeue_overdue(env.chat) == 1
        assert await env.queued() == [reply.id]
        written = await env.write(reply)
        assert (written.content, written.attempt) == ("An answer.", 2)
        assert await env.queued() == [following.id]
        if wakes == "at its model's end":
            gate.open()
            await asyncio.sleep(0.1)
        uow.awake.set()

    assert await env.message(reply) == written
    usage = await env.usage()
    assert (usage.used, usage.output_tokens) == (2, 7)
    assert await env.queued() == []
    assert len(env.model.closed_by) == 2


async def test_overtaken_worker_does_not_end_the_stream_of_its_successor(env):
    reply = await env.reply()
    gates = [Gate(), Gate()]
    env.model.will("Overtaken", gates[0], ".")
    env.model.will("An", gates[1], " answer.")
    uow = FreezingUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)) as overtaken:
        await gates[0].reached()
        uow.awake.clear()
        await asyncio.sleep(LIMITS.lease)
        async with env.writing(reply):
            await gates[1].reached()
            uow.awake.set()
            await overtaken
            # Nor did it clear the other worker's text.
            assert await text_so_far(env.stream, reply.id) == "An"
            gates[1].open()

    written = await env.message(reply)
    assert (written.content, written.attempt) == ("An answer.", 2)


async def test_frozen_worker_that_was_not_overtaken_continues(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("An", gate, " answer.")
    uow = FreezingUnitOfWork(env.uow)
    async with env.writing(reply, env.chat_with(uow=uow)):
        await gate.reached()
        uow.awake.clear()
        await asyncio.sleep(LIMITS.lease + 1)
        uow.awake.set()
        await asyncio.sleep(0)
        gate.open()

    written = await env.message(reply)
    assert (written.content, written.attempt) == ("An answer.", 1)


async def test_stream_of_a_deleted_room_ends_when_the_model_ends(env):
    room = await env.room()
    reply = await env.reply(room)
    gate = Gate()
    env.model.will("Half an", gate, " answer.")
    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        await gate.reached()
        await env.delete(room)
        gate.open()
        while (arrival := await chunks.receive(within=60)) is not StreamEnd.ENDED:
            assert arrival is not None

    assert asyncio.get_running_loop().time() == 0


async def test_worker_stops_when_the_room_is_deleted(env):
    room = await env.room()
    reply = await env.reply(room)
    gate = Gate()
    env.model.will("Half an", gate)
    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        await gate.reached()
        await env.delete(room)
        while (arrival := await chunks.receive(within=60)) is not StreamEnd.ENDED:
            assert arrival is not None

    assert asyncio.get_running_loop().time() == RENEWAL
    assert len(env.model.closed_by) == 1
    assert await text_so_far(env.stream, reply.id) == ""


async def test_stop_just_before_the_claim_is_not_missed(env):
    reply = await env.reply()
    env.model.will("An", Pause(10), " answer.")
    uow = FreezingUnitOfWork(env.uow)
    uow.awake.clear()
    async with env.writing(reply, env.chat_with(uow=uow)):
        await asyncio.sleep(1)
        await flag(env, reply)
        await env.chat.stop_signals.send(reply.id)
        uow.awake.set()

    assert (await env.message(reply)).status is Status.STOPPED
    assert asyncio.get_running_loop().time() == 1
