"""The worker inside the API process, a worker's replies, and the sweeper."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.worker.in_process import MOST_AT_ONCE, InProcessWorker
from parley.adapters.worker.reply_tasks import ReplyTasks
from parley.adapters.worker.sweeper import Sweep, Sweeper
from parley.core.errors import Unavailable

PATIENCE = 30.0


class Workbench:
    """Work that waits for the test. `begun` and `ended` are its ids, in the order of these events."""

    def __init__(self) -> None:
        self.queue = MemoryQueue()
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.crashes: dict[int, BaseException] = {}
        self.gates: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        async with asyncio.timeout(PATIENCE), InProcessWorker(ids=self.queue, work=self.write).running():
            yield

    async def put(self, *numbers: int, blocked: bool = True) -> None:
        for number in numbers:
            self.gates[number] = asyncio.Event()
            if not blocked:
                self.gates[number].set()
            await self.queue.put(UUID(int=number))

    async def write(self, reply_id: UUID) -> None:
        number = reply_id.int
        await self._note(self.begun, number)
        try:
            await self.gates[number].wait()
            if number in self.crashes:
                raise self.crashes[number]
        finally:
            # A cancelled reply is still released.
            await asyncio.shield(self._note(self.ended, number))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def _note(self, notes: list[int], number: int) -> None:
        async with self._changed:
            notes.append(number)
            self._changed.notify_all()


@pytest.fixture
async def bench():
    return Workbench()


async def test_replies_are_written_concurrently(bench):
    async with bench.working():
        await bench.put(1, 2, 3)
        await bench.until(lambda: len(bench.begun) == 3)
        bench.gates[2].set()
        await bench.until(lambda: bench.ended == [2])
        for gate in bench.gates.values():
            gate.set()
        await bench.until(lambda: sorted(bench.ended) == [1, 2, 3])


async def test_concurrency_is_bounded(bench):
    numbers = range(1, MOST_AT_ONCE + 3)
    async with bench.working():
        await bench.put(*numbers)
        await bench.until(lambda: len(bench.begun) == MOST_AT_ONCE)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(bench.begun) == MOST_AT_ONCE
        bench.gates[7].set()
        await bench.until(lambda: len(bench.begun) == MOST_AT_ONCE + 1)
        for gate in bench.gates.values():
            gate.set()
        await bench.until(lambda: len(bench.ended) == len(numbers))


async def test_a_lower_bound_leaves_ids_in_the_queue(bench):
    async with InProcessWorker(ids=bench.queue, work=bench.write, most=2).running():
        await bench.put(*range(1, 6))
        await bench.until(lambda: len(bench.begun) == 2)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(bench.begun) == 2
        assert bench.queue.waiting == 3


async def test_exception_of_one_reply_is_logged_and_does_not_affect_others(bench):
    bench.crashes[2] = ZeroDivisionError()
    with capture_logs() as logs:
        async with bench.working():
            await bench.put(1, 2)
            await bench.until(lambda: len(bench.begun) == 2)
            bench.gates[2].set()
            await bench.until(lambda: bench.ended == [2])
            await bench.put(3, blocked=False)
            await bench.until(lambda: bench.ended == [2, 3])
            bench.gates[1].set()
            await bench.until(lambda: bench.ended == [2, 3, 1])

    assert [(log["event"], log["id"], log["exc_info"]) for log in logs] == [("task_crashed", str(UUID(int=2)), True)]


async def test_exceptions_do_not_use_up_the_concurrency(bench):
    numbers = range(1, 2 * MOST_AT_ONCE)
    bench.crashes = {number: ZeroDivisionError() for number in numbers}
    with capture_logs():
        async with bench.working():
            await bench.put(*numbers, blocked=False)
            await bench.until(lambda: len(bench.ended) == len(numbers))


async def test_shutdown_cancels_running_work_and_waits_for_it(bench):
    async with bench.working():
        await bench.put(1, 2)
        await bench.until(lambda: len(bench.begun) == 2)
        await bench.put(3, 4)

    assert sorted(bench.ended) == sorted(bench.begun)
    assert not any(gate.is_set() for gate in bench.gates.values())


async def test_worker_takes_nothing_after_its_shutdown(bench):
    async with bench.working():
        await bench.put(1, blocked=False)
        await bench.until(lambda: bench.ended == [1])
    await bench.put(2, blocked=False)
    for _ in range(10):
        await asyncio.sleep(0)

    assert bench.begun == [1]


async def test_idle_worker_shuts_down_at_once(bench):
    async with bench.working():
        pass


class CountedSweep:
    """A sweep that counts its runs and has the given outcomes, then 0."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self.done = 0
        self._outcomes = list(outcomes)
        self._changed = asyncio.Condition()

    async def sweep(self) -> int:
        async with self._changed:
            self.done += 1
            self._changed.notify_all()
        outcome = self._outcomes.pop(0) if self._outcomes else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.done >= count)


class RecordingMeter:
    """A SweepMeter that stores its calls by sweep."""

    def __init__(self) -> None:
        self.calls: dict[str, list[int | str]] = defaultdict(list)

    def swept(self, sweep: str, found: int) -> None:
        self.calls[sweep].append(found)

    def failed(self, sweep: str) -> None:
        self.calls[sweep].append("failed")


async def test_every_sweep_runs_at_once_and_repeatedly():
    often, rarely = CountedSweep(), CountedSweep()
    async with Sweeper(
        Sweep("often", 0.0, often.sweep), Sweep("rarely", 3_600.0, rarely.sweep), meter=RecordingMeter()
    ).running():
        await rarely.until(1)
        await often.until(20)

    assert rarely.done == 1
    assert often.done >= 20


async def test_failing_sweep_is_logged_and_repeated():
    rounds, others, counts = CountedSweep(ZeroDivisionError(), ConnectionError(), 2), CountedSweep(), RecordingMeter()
    with capture_logs() as logs:
        async with Sweeper(
            Sweep("replies", 0.0, rounds.sweep), Sweep("others", 0.0, others.sweep), meter=counts
        ).running():
            await rounds.until(5)
            await others.until(others.done + 3)

    assert [(log["event"], log["sweep"]) for log in logs] == [
        ("sweep_failed", "replies"),
        ("sweep_failed", "replies"),
        ("sweep_works_again", "replies"),
        ("swept", "replies"),
    ]
    assert logs[-1]["found"] == 2
    assert counts.calls["replies"][:3] == ["failed", "failed", 2]
    assert set(counts.calls["others"]) == {0}


async def test_failures_in_a_row_are_logged_once_and_counted():
    rounds = CountedSweep(*(ZeroDivisionError() for _ in range(10)))
    with capture_logs() as logs:
        async with Sweeper(Sweep("replies", 0.0, rounds.sweep), meter=RecordingMeter()).running():
            await rounds.until(12)

    assert [log["event"] for log in logs] == ["sweep_failed", "sweep_works_again"]
    assert logs[-1]["failures"] == 10


async def test_outage_is_not_logged_by_what_it_interrupts(bench):
    rounds, counts = CountedSweep(Unavailable(), Unavailable()), RecordingMeter()
    bench.crashes[1] = Unavailable()
    with capture_logs() as logs:
        async with bench.working(), Sweeper(Sweep("replies", 0.0, rounds.sweep), meter=counts).running():
            await bench.put(1, blocked=False)
            await bench.until(lambda: bench.ended == [1])
            await rounds.until(4)

    assert logs == []
    assert counts.calls["replies"][:3] == ["failed", "failed", 0]


async def test_shutdown_of_the_sweeper_waits_for_a_sweep_to_clean_up():
    begun, cleaned = asyncio.Event(), []

    async def sweep() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return 0

    async with asyncio.timeout(PATIENCE), Sweeper(Sweep("replies", 0.0, sweep), meter=RecordingMeter()).running():
        await begun.wait()
    assert cleaned == [True]


async def begun_in(writing: ReplyTasks, bench: Workbench, *numbers: int) -> list[asyncio.Task[None]]:
    for number in numbers:
        bench.gates[number] = asyncio.Event()
    tasks = [asyncio.create_task(writing.write(UUID(int=number))) for number in numbers]
    await bench.until(lambda: len(bench.begun) == len(numbers))
    return tasks


async def finished(tasks: list[asyncio.Task[None]]) -> list[object]:
    done: Awaitable[list[object]] = asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        return await done


async def test_write_returns_and_raises_what_the_work_does(bench):
    bench.crashes[2] = crash = ZeroDivisionError()
    tasks = await begun_in(ReplyTasks(bench.write), bench, 1, 2)
    for gate in bench.gates.values():
        gate.set()

    assert await finished(tasks) == [None, crash]


async def test_shutdown_cancels_replies_and_begins_no_others(bench):
    writing = ReplyTasks(bench.write)
    tasks = await begun_in(writing, bench, 1, 2)
    writing.shut_down()
    await writing.write(UUID(int=3))

    assert await finished(tasks) == [None, None]
    assert sorted(bench.begun) == sorted(bench.ended) == [1, 2]


async def test_cancelled_write_waits_until_the_reply_was_released(bench):
    writing = ReplyTasks(bench.write)
    (task,) = await begun_in(writing, bench, 1)
    task.cancel()

    assert [type(outcome) for outcome in await finished([task])] == [asyncio.CancelledError]
    assert bench.ended == [1]
