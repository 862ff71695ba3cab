"""The rules for workers, the queue and the sweeper in the state machine of test_invariants."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from parley.core.chat.end_reply import end_reply
from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Finished
from parley.core.chat.model import Chunk, Claim, Ending, Lease, Message, ReplyError, Status
from parley.core.chat.sweep import forget_old_keys, requeue_overdue
from parley.core.chat.tokens import TokenUsage
from parley.core.text import make_storable
from tests.unit.invariants_accounts import AccountsMachine, picks
from tests.unit.invariants_world import LEASE, Step, Worker

MOST_WORKERS = 4
MOST_CLAIMS = 6
POSTPONE_SECONDS = 3.0
FAILURE = ReplyError("model_refused", "It would not.")

texts = st.sampled_from(["Yes", ", or no", ".", "\x00é\ud83d", "long " * 100])
usages = st.sampled_from([TokenUsage(3, 5), TokenUsage(1, 0), None])
failures = st.sampled_from(
    [
        None,
        ModelUnavailable("overloaded", "Later."),
        ModelUnavailable("overloaded", "In a while.", retry_after=2.0),
        ModelUnavailable("overloaded", "Not today.", retry_after=5_000.0),
        ModelRefused("blocked", "Never."),
        LookupError("An unexpected error."),
    ]
)
endings = usages.map(Finished) | failures
scripts = st.lists(texts, max_size=3) | st.tuples(texts, endings).map(list)


@dataclass
class HeldClaim:
    """A claim that is used even after its lease and after the reply's end, and the text written with it."""

    claim: Claim
    text: str = ""


class WorkersMachine(AccountsMachine):
    def __init__(self) -> None:
        super().__init__()
        self.workers: list[Worker] = []
        self.held_claims: list[HeldClaim] = []

    def worker(self, pick: int) -> Worker:
        return self.workers[pick % len(self.workers)]

    def claimable(self, reply: Message) -> bool:
        before = [other for other in self.waiting() if other.room_id == reply.room_id]
        due = self.world.database.committed.replies[reply.id].claimable_at
        first = min((other.position for other in before), default=None)
        return first == reply.position and due <= self.world.now()

    @rule()
    def sweep(self) -> None:
        self.do(requeue_overdue(self.world.chat))
        self.do(forget_old_keys(self.world.chat))

    @precondition(lambda self: self.world.queue.ids)
    @rule(pick=st.none() | picks)
    def queue_loses(self, pick: int | None) -> None:
        if pick is None:
            self.world.queue.ids.clear()
        else:
            self.world.queue.ids.pop(pick % len(self.world.queue.ids))

    @precondition(lambda self: self.world.queue.ids and len(self.workers) < MOST_WORKERS)
    @rule(pick=picks, again=st.booleans(), script=scripts)
    def worker_takes(self, pick: int, again: bool, script: list[Step]) -> None:
        """In any order, possibly more than once."""
        ids = self.world.queue.ids
        reply_id = ids[pick % len(ids)] if again else ids.pop(pick % len(ids))
        self.do(self.start(reply_id, *script))

    async def start(self, reply_id: UUID, *steps: Step) -> Worker:
        worker = Worker(self.world, reply_id, *steps)
        self.workers.append(worker)
        return worker

    @precondition(lambda self: self.workers)
    @rule(pick=picks, step=texts | failures)
    def model_goes_on(self, pick: int, step: Step) -> None:
        self.do(self.worker(pick).model.steps.put(step))

    @precondition(lambda self: self.workers)
    @rule(pick=picks, usage=usages)
    def model_finishes(self, pick: int, usage: TokenUsage | None) -> None:
        worker = self.worker(pick)
        if not worker.model.text:
            self.do(worker.model.steps.put("Yes"))
        reply = self.world.find(worker.reply_id)
        ready = worker.door.open.is_set() and reply is not None and not reply.status.ended
        wanted = ready and not self.world.database.committed.replies[worker.reply_id].stop_requested
        expected = wanted and reply.attempt == worker.model.attempt and reply.status is Status.GENERATING
        self.do(worker.model.steps.put(Finished(usage)))
        if expected:
            ended = self.world.find(worker.reply_id)
            as_written = (ended.status, ended.content, ended.usage) == (Status.COMPLETED, worker.model.text, usage)
            self.expect(as_written, "the text of the worker that holds the claim is stored", ended, worker.model.text)

    @precondition(lambda self: self.workers)
    @rule(pick=picks, fate=st.sampled_from(["freezes", "freezes", "dies", "shuts down"]))
    def worker_goes(self, pick: int, fate: str) -> None:
        worker = self.worker(pick)
        if fate == "freezes":
            worker.door.open.clear()
        else:
            self.do(worker.die() if fate == "dies" else worker.shut_down())

    @precondition(lambda self: any(not worker.door.open.is_set() for worker in self.workers))
    @rule(pick=picks)
    def worker_wakes_up(self, pick: int) -> None:
        frozen = [worker for worker in self.workers if not worker.door.open.is_set()]
        frozen[pick % len(frozen)].door.open.set()
        self.do(asyncio.sleep(0))

    @precondition(lambda self: self.replies())
    @rule(pick=picks, among=st.sampled_from(["waiting", "claimable", "claimable", "all"]))
    def claim(self, pick: int, among: str) -> None:
        """Any reply, or one that waits, or one that is claimable."""
        replies = self.replies()
        if among != "all":
            fitting = [reply for reply in self.waiting() if among == "waiting" or self.claimable(reply)]
            replies = fitting or replies
        reply = replies[pick % len(replies)]
        claimable = self.claimable(reply)
        claim = self.do(self._claim(reply))
        self.expect((claim is not None) == claimable, "exactly the claimable replies are claimed", reply, claim)
        if claim is not None:
            self.held_claims = [*self.held_claims, HeldClaim(claim)][-MOST_CLAIMS:]

    async def _claim(self, reply: Message) -> Claim | None:
        async with self.world.chat.uow() as unit:
            claim = await unit.replies.claim(reply.id, lease=LEASE)
            await unit.commit()
        return claim

    @precondition(lambda self: self.held_claims)
    @rule(pick=picks, text=texts)
    def write(self, pick: int, text: str) -> None:
        held = self.held_claims[pick % len(self.held_claims)]
        chunk = Chunk(held.claim.attempt, len(held.text), make_storable(text))
        held.text += chunk.text
        self.do(self.world.stream.append(held.claim.reply_id, chunk))

    @precondition(lambda self: self.held_claims)
    @rule(
        pick=picks,
        status=st.sampled_from([Status.COMPLETED, Status.FAILED, Status.FAILED, Status.STOPPED]),
        usage=usages,
    )
    def end(self, pick: int, status: Status, usage: TokenUsage | None) -> None:
        held = self.held_claims[pick % len(self.held_claims)]
        error = FAILURE if status is Status.FAILED else None
        ending = Ending(status, held.text, self.world.now(), usage=usage, error=error)
        valid = self._valid(held.claim)
        changed = self.do(end_reply(self.world.chat, held.claim, ending))
        self.expect(changed == valid, "only the latest claim ends its reply", held, ending)

    @precondition(lambda self: self.held_claims)
    @rule(pick=picks, way=st.sampled_from(["renew", "postpone", "release"]))
    def use_claim(self, pick: int, way: str) -> None:
        claim = self.held_claims[pick % len(self.held_claims)].claim
        valid = self._valid(claim)
        changed = self.do(self._use(claim, way))
        self.expect(changed == valid, "only the latest claim changes its reply", claim, way)

    async def _use(self, claim: Claim, way: str) -> bool:
        async with self.world.chat.uow() as unit:
            if way == "renew":
                changed = await unit.replies.renew([claim], lease=LEASE) != [Lease.LOST]
            elif way == "postpone":
                changed = await unit.replies.postpone(claim, seconds=POSTPONE_SECONDS)
            else:
                changed = await unit.replies.release(claim)
            await unit.commit()
        return changed

    def _valid(self, claim: Claim) -> bool:
        reply = self.world.find(claim.reply_id)
        return reply is not None and reply.status is Status.GENERATING and reply.attempt == claim.attempt
