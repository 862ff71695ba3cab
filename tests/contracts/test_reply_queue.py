"""What every reply queue and every channel of stop signals keeps to while nothing is lost."""

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

PATIENCE = 5.0
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Bench:
    """A queue, the worker's end of it, and the signals beside it."""

    queue: ReplyQueue
    take: Callable[[], Awaitable[UUID]]
    signals: StopSignals


@asynccontextmanager
async def memory() -> AsyncGenerator[Bench, None]:
    queue = MemoryQueue()
    yield Bench(queue, queue.take, MemoryStopSignals())


@asynccontextmanager
async def redis() -> AsyncGenerator[Bench, None]:
    async with redis_queue() as (queue, take), process(shared_redis()) as made:
        yield Bench(queue, take, made.signals)


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(redis, id="redis")])
async def bench(request):
    async with request.param() as made:
        yield made


async def soon(step: Awaitable[_Result]) -> _Result:
    async with asyncio.timeout(PATIENCE):
        return await step


async def test_what_was_put_reaches_a_worker(bench):
    reply_ids = {new_id() for _ in range(50)}
    for reply_id in reply_ids:
        await bench.queue.put(reply_id)

    assert {await soon(bench.take()) for _ in reply_ids} == reply_ids


async def test_worker_waits_for_the_next(bench):
    reply_id = new_id()
    taking = asyncio.create_task(bench.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await bench.queue.put(reply_id)

    assert await soon(taking) == reply_id


async def test_what_was_taken_may_be_put_again(bench):
    reply_id = new_id()
    for _ in range(3):
        await bench.queue.put(reply_id)
        assert await soon(bench.take()) == reply_id


async def test_two_workers_share_the_queue(bench):
    reply_ids = {new_id() for _ in range(10)}
    taking = [asyncio.create_task(bench.take()) for _ in reply_ids]
    for reply_id in reply_ids:
        await bench.queue.put(reply_id)

    assert set(await soon(asyncio.gather(*taking))) == reply_ids


async def test_nudge_reaches_everyone_who_listens_for_the_reply(bench):
    reply_id = new_id()
    async with bench.signals.listen(reply_id) as first, bench.signals.listen(reply_id) as second:
        assert not first.is_set()
        await bench.signals.send(reply_id)
        await soon(first.wait())
        await soon(second.wait())


async def test_each_nudge_sets_the_event(bench):
    reply_id = new_id()
    async with bench.signals.listen(reply_id) as nudged:
        for _ in range(3):
            await bench.signals.send(reply_id)
            await soon(nudged.wait())
            nudged.clear()


async def test_nudge_for_another_reply_is_not_heard(bench):
    reply_id, other = new_id(), new_id()
    async with bench.signals.listen(reply_id) as mine, bench.signals.listen(other) as others:
        await bench.signals.send(other)
        await soon(others.wait())
        assert not mine.is_set()


async def test_nudge_before_the_listening_is_not_heard(bench):
    reply_id = new_id()
    await bench.signals.send(reply_id)
    async with bench.signals.listen(reply_id) as nudged:
        assert not nudged.is_set()
        await bench.signals.send(reply_id)
        await soon(nudged.wait())


async def test_who_leaves_does_not_disturb_who_stays(bench):
    reply_id = new_id()
    async with bench.signals.listen(reply_id) as stays:
        async with bench.signals.listen(reply_id) as left:
            pass
        await bench.signals.send(reply_id)
        await soon(stays.wait())
        assert not left.is_set()
    await bench.signals.send(reply_id)
