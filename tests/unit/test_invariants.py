"""The invariants of the chat module, checked after each of ten thousand random steps.

There are two kinds of workers: `write_reply` with a model that rules steer, and bare claims, which are also used late.
An auditor checks every commit of both. The event loop's time is virtual.
"""

import asyncio

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from parley.core.chat.language_model import Finished
from parley.core.chat.model import EventId
from parley.core.chat.sweep import requeue_overdue
from parley.core.chat.tokens import TokenUsage
from tests.unit.invariants_readers import KEEP_ALIVE_SECONDS
from tests.unit.invariants_workers import WorkersMachine
from tests.unit.invariants_world import LIMITS

STEPS = 10_000
EXAMPLES = 300
STEPS_EACH = 60
SWEEPS = 3


class ParleyMachine(WorkersMachine):
    steps = 0

    @invariant()
    def check(self) -> None:
        ParleyMachine.steps += 1
        self.do(self._look())
        assert self.world.audit.complaints == []
        self.sound = True

    async def _look(self) -> None:
        done = [worker for worker in self.workers if worker.task.done()]
        self.expect(all(worker.ended_as_expected for worker in done), "no worker breaks", done)
        self.workers = [worker for worker in self.workers if not worker.task.done()]
        for reply, reader in [pair for pair in self.readers if pair[1].task.done()]:
            there = self.world.find(reply.id) is not None
            self.expect(reader.task.exception() is None, "no reader breaks", reader.task.exception())
            self.expect(reader.saw_the_end or not there, "a reader is sent the end", reply)
        self.readers = [pair for pair in self.readers if not pair[1].task.done()]

    def teardown(self) -> None:
        try:
            if self.sound:
                self.do(self._recover())
                self.check()
        finally:
            self.do(self._end_all_workers())
            self.runner.close()

    async def _recover(self) -> None:
        """Every worker dies and the queue is lost; then time passes, and a sweeper and a healthy worker run."""
        await self._end_all_workers()
        self.world.queue.ids.clear()
        self.world.skipped += LIMITS.total + LIMITS.lease
        for _ in range(SWEEPS):
            await requeue_overdue(self.world.chat)
            while self.world.queue.ids:
                worker = await self.start(self.world.queue.ids.pop(0), "At", " last.", Finished(TokenUsage(2, 2)))
                await asyncio.wait([worker.task])
        self.expect(self.waiting() == [], "every reply ends", self.waiting())
        await asyncio.sleep(KEEP_ALIVE_SECONDS)
        await asyncio.sleep(1)
        self.expect(all(reader.task.done() for _, reader in self.readers), "every reader is sent the end")
        for reply in self.replies():
            await self._read(reply, EventId(0, 0), "")
            for position, text in set(self.world.positions[reply.id]):
                await self._read(reply, position, text)

    async def _end_all_workers(self) -> None:
        for worker in self.workers:
            if not worker.task.done():
                await worker.die()


def test_invariants_hold():
    run_state_machine_as_test(
        ParleyMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_EACH,
            derandomize=True,
            deadline=None,
        ),
    )
    assert ParleyMachine.steps >= STEPS
