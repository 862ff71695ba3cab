"""When a process counts as overloaded, with a virtual lag of its event loop."""

import asyncio
from uuid import UUID

from structlog.testing import capture_logs

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.worker.in_process import InProcessWorker
from parley.runtime.loop_lag import SAMPLES
from tests.fakes.virtual_lag import LATE, ON_TIME, SLOWER, VirtualLag


async def test_only_a_lag_that_stays_is_an_overload():
    async with VirtualLag().running() as virtual:
        assert not await virtual.sample(*[ON_TIME] * SAMPLES, 100.0, *[ON_TIME] * SAMPLES)
        assert not await virtual.sample(*[LATE] * (SAMPLES - 1), ON_TIME, *[LATE] * (SAMPLES - 1))
        assert await virtual.sample(LATE)


async def test_an_overload_ends_when_the_process_has_caught_up():
    async with VirtualLag().running() as virtual:
        with capture_logs() as lines:
            assert await virtual.sample(*[LATE] * SAMPLES)
            recovering = asyncio.create_task(virtual.lag.recovered())
            assert await virtual.sample(*[SLOWER] * SAMPLES * 2, *[ON_TIME] * (SAMPLES - 1))
            assert not recovering.done()
            assert not await virtual.sample(ON_TIME)
            await recovering
        assert [line["event"] for line in lines] == ["overloaded", "overload_ended"]


async def test_the_lag_and_the_overload_are_metrics():
    async with VirtualLag().running() as virtual:
        for lag, overloaded in ((LATE, 1), (ON_TIME, 0)):
            await virtual.sample(*[lag] * SAMPLES)
            value = virtual.metrics.registry.get_sample_value
            assert round(value("parley_event_loop_lag_seconds") or 0.0, 3) == lag
            assert value("parley_overloaded") == overloaded


async def test_an_overloaded_worker_goes_on_with_its_replies_and_takes_no_new_ones():
    queue, begun, ended = MemoryQueue(), asyncio.Queue[UUID](), asyncio.Event()

    async def write(reply_id: UUID) -> None:
        begun.put_nowait(reply_id)
        await ended.wait()

    async with VirtualLag().running() as virtual:
        # The one that is waited for when the overload begins is still taken.
        worker = InProcessWorker(ids=queue, work=write, ready=virtual.lag.recovered)
        async with worker.running():
            await queue.put(UUID(int=1))
            assert await begun.get() == UUID(int=1)
            await virtual.sample(*[LATE] * SAMPLES)
            for number in (2, 3):
                await queue.put(UUID(int=number))
            assert await begun.get() == UUID(int=2)
            await virtual.sample(*[LATE] * SAMPLES * 10)
            assert begun.empty()
            await virtual.sample(*[ON_TIME] * SAMPLES)
            assert await begun.get() == UUID(int=3)
