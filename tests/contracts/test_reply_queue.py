"""The contract of reply queues and stop signals while they lose nothing."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import pytest

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.core.chat.ports import ReplyQueue, StopSignals
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import process, redis_queue, shared_redis

PATIENCE = 30.0
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Channels:
    """A queue, the function that takes from it, and stop signals."""

    queue: ReplyQueue
    take: Callable[[], Awaitable[UUID]]
    signals: StopSignals


@asynccontextmanager
async def memory() -> AsyncGenerator[Channels, None]:
    queue = MemoryQueue()
    yield Channels(queue, queue.take, MemoryStopSignals())


@asynccontextmanager
async def redis() -> AsyncGenerator[Channels, None]:
    async with redis_queue() as (queue, take), process(shared_redis()) as made:
        yield Channels(queue, take, made.signals)


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(redis, id="redis")])
async def channels(request):
    async with request.param() as made:
        yield made


async def soon(step: Awaitable[_Result]) -> _Result:
    async with asyncio.timeout(PATIENCE):
        return await step


async def test_every_id_reaches_a_worker(channels):
    reply_ids = {new_id() for _ in range(50)}
    for reply_id in reply_ids:
        await channels.queue.put(reply_id)

    assert {await soon(channels.take()) for _ in reply_ids} == reply_ids


async def test_worker_waits_for_the_next_id(channels):
    reply_id = new_id()
    taking = asyncio.create_task(channels.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await channels.queue.put(reply_id)

    assert await soon(taking) == reply_id


async def test_taken_id_can_be_put_again(channels):
    reply_id = new_id()
    for _ in range(3):
        await channels.queue.put(reply_id)
        assert await soon(channels.take()) == reply_id


async def test_two_workers_share_the_queue(channels):
    reply_ids = {new_id() for _ in range(10)}
    taking = [asyncio.create_task(channels.take()) for _ in reply_ids]
    for reply_id in reply_ids:
        await channels.queue.put(reply_id)

    assert set(await soon(asyncio.gather(*taking))) == reply_ids


async def test_signal_reaches_every_listener_of_the_reply(channels):
    reply_id = new_id()
    async with channels.signals.listen(reply_id) as first, channels.signals.listen(reply_id) as second:
        assert not first.is_set()
        await channels.signals.send(reply_id)
        await soon(first.wait())
        await soon(second.wait())


async def test_each_signal_sets_the_event(channels):
    reply_id = new_id()
    async with channels.signals.listen(reply_id) as received:
        for _ in range(3):
            await channels.signals.send(reply_id)
            await soon(received.wait())
            received.clear()


async def test_signal_for_another_reply_is_not_received(channels):
    reply_id, other = new_id(), new_id()
    async with channels.signals.listen(reply_id) as mine, channels.signals.listen(other) as others:
        await channels.signals.send(other)
        await soon(others.wait())
        assert not mine.is_set()


async def test_signal_before_the_subscription_is_not_received(channels):
    reply_id = new_id()
    await channels.signals.send(reply_id)
    async with channels.signals.listen(reply_id) as received:
        assert not received.is_set()
        await channels.signals.send(reply_id)
        await soon(received.wait())


async def test_end_of_a_subscription_does_not_affect_other_listeners(channels):
    reply_id = new_id()
    async with channels.signals.listen(reply_id) as stays:
        async with channels.signals.listen(reply_id) as left:
            pass
        await channels.signals.send(reply_id)
        await soon(stays.wait())
        assert not left.is_set()
    await channels.signals.send(reply_id)
