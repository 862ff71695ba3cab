"""What must always hold, under ten thousand steps of whatever may happen, in any order that chance thinks of.

Workers are of two kinds: real ReplyWriters, whose model does what a rule tells it to, and bare claims, which are held
on to and used late. An auditor sees every commit of both. The event loop's time is virtual: nothing sleeps.
"""

import asyncio

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from parley.core.chat.language_model import Finished
from parley.core.chat.model import EventId, TokenUsage
from parley.core.chat.sweep import requeue_overdue
from tests.unit.invariants_readers import QUIET
from tests.unit.invariants_workers import WorkersMachine
from tests.unit.invariants_world import LIMITS

STEPS = 10_000
EXAMPLES = 300
STEPS_EACH = 60
SWEEPS = 3


class ParleyMachine(WorkersMachine):
    steps = 0

    @invariant()
    def all_is_right(self) -> None:
        ParleyMachine.steps += 1
        self.do(self._look())
        assert self.world.audit.complaints == []
        self.sound = True

    async def _look(self) -> None:
        done = [worker for worker in self.workers if worker.task.done()]
        self.expect(all(worker.ended_as_it_may for worker in done), "no worker breaks", done)
        self.workers = [worker for worker in self.workers if not worker.task.done()]
        for reply, reader in [pair for pair in self.readers if pair[1].task.done()]:
            there = self.world.find(reply.id) is not None
            self.expect(reader.task.exception() is None, "no reader breaks", reader.task.exception())
            self.expect(reader.told_the_end or not there, "a reader is told the end", reply)
        self.readers = [pair for pair in self.readers if not pair[1].task.done()]

    def teardown(self) -> None:
        try:
            if self.sound:
                self.do(self._recover())
                self.all_is_right()
        finally:
            self.do(self._bury_the_workers())
            self.runner.close()

    async def _recover(self) -> None:
        """Every worker dies and the queue is lost; then there are time, a sweeper and a worker that is well."""
        await self._bury_the_workers()
        self.world.queue.ids.clear()
        self.world.skipped += LIMITS.total + LIMITS.lease
        for _ in range(SWEEPS):
            await requeue_overdue(uow=self.world.chat, queue=self.world.queue)
            while self.world.queue.ids:
                worker = await self.start(self.world.queue.ids.pop(0), "At", " last.", Finished(TokenUsage(2, 2)))
                await asyncio.wait([worker.task])
        self.expect(self.waiting() == [], "every reply ends", self.waiting())
        await asyncio.sleep(QUIET)
        await asyncio.sleep(1)
        self.expect(all(reader.task.done() for _, reader in self.readers), "every reader is told the end")
        for reply in self.replies():
            await self._read(reply, EventId(0, 0), "")
            for place, text in set(self.world.places[reply.id]):
                await self._read(reply, place, text)

    async def _bury_the_workers(self) -> None:
        for worker in self.workers:
            if not worker.task.done():
                await worker.die()


def test_whatever_happens_the_invariants_hold():
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
