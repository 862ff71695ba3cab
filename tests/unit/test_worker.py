"""The worker inside the API process, and the sweeper of every worker."""

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

PATIENCE = 5.0


class Bench:
    """A worker whose writing waits for the test. `begun` and `left` are the replies in that order."""

    def __init__(self) -> None:
        self.queue = MemoryQueue()
        self.begun: list[int] = []
        self.left: list[int] = []
        self.crashes: dict[int, BaseException] = {}
        self.gates: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        async with asyncio.timeout(PATIENCE), InProcessWorker(ids=self.queue, work=self.write).running():
            yield

    async def put(self, *numbers: int, waits: bool = True) -> None:
        for number in numbers:
            self.gates[number] = asyncio.Event()
            if not waits:
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
            # A worker that leaves still has something to write down.
            await asyncio.shield(self._note(self.left, number))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def _note(self, notes: list[int], number: int) -> None:
        async with self._changed:
            notes.append(number)
            self._changed.notify_all()


@pytest.fixture
async def bench():
    return Bench()


async def test_replies_are_written_side_by_side(bench):
    async with bench.working():
        await bench.put(1, 2, 3)
        await bench.until(lambda: len(bench.begun) == 3)
        bench.gates[2].set()
        await bench.until(lambda: bench.left == [2])
        for gate in bench.gates.values():
            gate.set()
        await bench.until(lambda: sorted(bench.left) == [1, 2, 3])


async def test_no_more_than_the_most_are_written_at_once(bench):
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
        await bench.until(lambda: len(bench.left) == len(numbers))


async def test_crash_of_one_reply_is_logged_and_stops_no_other(bench):
    bench.crashes[2] = ZeroDivisionError()
    with capture_logs() as logs:
        async with bench.working():
            await bench.put(1, 2)
            await bench.until(lambda: len(bench.begun) == 2)
            bench.gates[2].set()
            await bench.until(lambda: bench.left == [2])
            await bench.put(3, waits=False)
            await bench.until(lambda: bench.left == [2, 3])
            bench.gates[1].set()
            await bench.until(lambda: bench.left == [2, 3, 1])

    assert [(log["event"], log["id"], log["exc_info"]) for log in logs] == [("task_crashed", str(UUID(int=2)), True)]


async def test_crashes_give_their_place_back(bench):
    numbers = range(1, 2 * MOST_AT_ONCE)
    bench.crashes = {number: ZeroDivisionError() for number in numbers}
    with capture_logs():
        async with bench.working():
            await bench.put(*numbers, waits=False)
            await bench.until(lambda: len(bench.left) == len(numbers))


async def test_worker_that_leaves_cancels_what_it_writes_and_waits_for_it(bench):
    async with bench.working():
        await bench.put(1, 2)
        await bench.until(lambda: len(bench.begun) == 2)
        await bench.put(3, 4)

    assert sorted(bench.left) == sorted(bench.begun)
    assert not any(gate.is_set() for gate in bench.gates.values())


async def test_worker_that_has_left_takes_nothing_more(bench):
    async with bench.working():
        await bench.put(1, waits=False)
        await bench.until(lambda: bench.left == [1])
    await bench.put(2, waits=False)
    for _ in range(10):
        await asyncio.sleep(0)

    assert bench.begun == [1]


async def test_idle_worker_leaves_at_once(bench):
    async with bench.working():
        pass


class Rounds:
    """Sweeps that a test counts."""

    def __init__(self, *outcomes: int | Exception) -> None:
        self.done = 0
        self._outcomes = list(outcomes)
        self._round = asyncio.Condition()

    async def sweep(self) -> int:
        async with self._round:
            self.done += 1
            self._round.notify_all()
        outcome = self._outcomes.pop(0) if self._outcomes else 0
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._round:
            await self._round.wait_for(lambda: self.done >= count)


class Counts:
    """A SweepMeter that remembers what it was told, by sweep."""

    def __init__(self) -> None:
        self.told: dict[str, list[int | str]] = defaultdict(list)

    def swept(self, sweep: str, found: int) -> None:
        self.told[sweep].append(found)

    def failed(self, sweep: str) -> None:
        self.told[sweep].append("failed")


async def test_every_sweep_runs_at_once_and_again_and_again():
    often, rarely = Rounds(), Rounds()
    async with Sweeper(
        Sweep("often", 0.0, often.sweep), Sweep("rarely", 3_600.0, rarely.sweep), meter=Counts()
    ).running():
        await rarely.until(1)
        await often.until(20)

    assert rarely.done == 1
    assert often.done >= 20


async def test_failing_sweep_is_logged_and_goes_on():
    rounds, others, counts = Rounds(ZeroDivisionError(), ConnectionError(), 2), Rounds(), Counts()
    with capture_logs() as logs:
        async with Sweeper(
            Sweep("replies", 0.0, rounds.sweep), Sweep("others", 0.0, others.sweep), meter=counts
        ).running():
            await rounds.until(5)
            await others.until(others.done + 3)

    assert [(log["event"], log["sweep"]) for log in logs] == [
        ("sweep_failed", "replies"),
        ("sweep_failed", "replies"),
        ("swept", "replies"),
    ]
    assert logs[-1]["found"] == 2
    assert counts.told["replies"][:3] == ["failed", "failed", 2]
    assert set(counts.told["others"]) == {0}


async def test_sweeper_that_leaves_waits_for_a_sweep_to_clean_up():
    begun, cleaned = asyncio.Event(), []

    async def sweep() -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return 0

    async with asyncio.timeout(PATIENCE), Sweeper(Sweep("replies", 0.0, sweep), meter=Counts()).running():
        await begun.wait()
    assert cleaned == [True]


async def begun_in(writing: ReplyTasks, bench: Bench, *numbers: int) -> list[asyncio.Task[None]]:
    for number in numbers:
        bench.gates[number] = asyncio.Event()
    tasks = [asyncio.create_task(writing.write(UUID(int=number))) for number in numbers]
    await bench.until(lambda: len(bench.begun) == len(numbers))
    return tasks


async def finished(tasks: list[asyncio.Task[None]]) -> list[object]:
    done: Awaitable[list[object]] = asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        return await done


async def test_writing_ends_with_the_reply_and_raises_what_it_raises(bench):
    bench.crashes[2] = crash = ZeroDivisionError()
    tasks = await begun_in(ReplyTasks(bench.write), bench, 1, 2)
    for gate in bench.gates.values():
        gate.set()

    assert await finished(tasks) == [None, crash]


async def test_leaving_hands_back_what_is_being_written_and_begins_nothing(bench):
    writing = ReplyTasks(bench.write)
    tasks = await begun_in(writing, bench, 1, 2)
    writing.leave()
    await writing.write(UUID(int=3))

    assert await finished(tasks) == [None, None]
    assert sorted(bench.begun) == sorted(bench.left) == [1, 2]


async def test_cancelled_writing_waits_until_the_reply_was_handed_back(bench):
    writing = ReplyTasks(bench.write)
    (task,) = await begun_in(writing, bench, 1)
    task.cancel()

    assert [type(outcome) for outcome in await finished([task])] == [asyncio.CancelledError]
    assert bench.left == [1]
