"""The rules for accounts, readers and time in the state machine of test_invariants."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from parley.core.billing.model import DayUsage
from parley.core.billing.usage import override_plan
from parley.core.chat.accepted import Accepted
from parley.core.chat.errors import IdempotencyMismatch, QuotaExceeded, TooManyPending
from parley.core.chat.messages import post_message
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, EventId, Message, Role, Room, Status
from parley.core.chat.rooms import create_room, delete_room
from parley.core.chat.stop_reply import stop_reply
from parley.core.plans import BASIC, PRO
from tests.unit.chat.virtual_time import VirtualLoop
from tests.unit.invariants_readers import Reader
from tests.unit.invariants_world import BASIC_LIMIT, MAX_PENDING, StreamFault, WorkerDied, World

FEW = 3
ACCOUNTS = (UUID(int=2**100), UUID(int=2**101))
# Long enough for every task to run until it waits for something.
INSTANT = 0.001

picks = st.integers(0, 59)


@dataclass(frozen=True)
class FirstUse:
    content: str
    reply_id: UUID
    at: datetime


class AccountsMachine(RuleBasedStateMachine):
    """A `pick` chooses one of the existing rooms, replies or workers: it is taken modulo their number."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.world = World(self.runner.get_loop())
        self.expect = self.world.audit.expect
        self.runner.get_loop().set_exception_handler(self._note_task_error)
        self.rooms: list[Room] = []
        self.keys: dict[tuple[UUID, str], FirstUse] = {}
        self.readers: list[tuple[Message, Reader]] = []
        # False from the beginning of a step until it was checked.
        self.sound = True
        for account_id in (*ACCOUNTS, ACCOUNTS[0]):
            self.do(self._open_room(account_id))

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Run the step, and the tasks that it wakes up."""
        self.sound = False
        return self.runner.run(self._run_and_settle(step))

    async def _run_and_settle(self, step: Coroutine[Any, Any, Any]) -> Any:
        result = await step
        await asyncio.sleep(INSTANT)
        return result

    def _note_task_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.expect(isinstance(context.get("exception"), WorkerDied), "no task breaks", context)

    def replies(self) -> list[Message]:
        messages = self.world.database.committed.messages.values()
        return [message for message in messages if message.role is Role.ASSISTANT]

    def waiting(self) -> list[Message]:
        return [reply for reply in self.replies() if not reply.status.ended]

    def held(self, reply: Message) -> bool:
        due = self.world.database.committed.replies[reply.id].claimable_at
        return reply.status is Status.GENERATING and due > self.world.now()

    def used_today(self, account_id: UUID) -> int:
        today = self.world.now().date()
        return self.world.database.committed.usage_days.get((account_id, today), DayUsage(today, 0, 0, 0)).used

    def on_basic(self, account_id: UUID) -> bool:
        return self.world.database.committed.plans.get(account_id, BASIC) == BASIC

    def pending(self, account_id: UUID) -> int:
        rooms = {room.id for room in self.rooms if room.account_id == account_id}
        return sum(reply.room_id in rooms for reply in self.waiting())

    @rule(pick=picks)
    def ask(self, pick: int) -> None:
        """Post without a key, so that there are enough replies."""
        self.do(self._send(self.rooms[pick % len(self.rooms)], "Three?", None))

    @rule(
        pick=picks,
        content=st.sampled_from(["One?", "Two?"]),
        key=st.sampled_from([None, None, "key", "other"]),
        copies=st.sampled_from([1, 1, 1, 3]),
    )
    def send(self, pick: int, content: str, key: str | None, copies: int) -> None:
        room = self.rooms[pick % len(self.rooms)]
        self.do(self._send_together(room, content, key, copies))

    async def _send_together(self, room: Room, content: str, key: str | None, copies: int) -> None:
        await asyncio.gather(*(self._send(room, content, key) for _ in range(copies)))

    async def _send(self, room: Room, content: str, key: str | None) -> None:
        now = self.world.now()
        accepted: Accepted | None = None
        refused: type[Exception] | None = None
        try:
            accepted = await post_message(
                self.world.chat,
                account_id=room.account_id,
                room_id=room.id,
                content=content,
                model=None,
                key=key,
            )
        except (IdempotencyMismatch, QuotaExceeded, TooManyPending) as refusal:
            refused = type(refusal)
        first_use = self.keys.get((room.id, key)) if key else None
        if first_use is not None and first_use.at >= now - IDEMPOTENCY_KEY_LIFE:
            again = accepted is not None and accepted.replayed and accepted.reply.id == first_use.reply_id
            right = again if first_use.content == content else refused is IdempotencyMismatch
            self.expect(right, "a key is valid for one request", first_use, content, accepted, refused)
        elif accepted is not None:
            self.expect(not accepted.replayed, "a new request is a new message", accepted)
            self.expect(self.pending(room.account_id) <= MAX_PENDING, "no more than the pending limit", accepted)
            if key:
                self.keys[room.id, key] = FirstUse(content, accepted.reply.id, now)
        else:
            used_up = self.on_basic(room.account_id) and self.used_today(room.account_id) >= BASIC_LIMIT
            self.expect(refused is not QuotaExceeded or used_up, "no message is refused below the limit", room)
            crowded = self.pending(room.account_id) >= MAX_PENDING
            self.expect(refused is not TooManyPending or crowded, "no message is refused below the pending limit", room)
            self.expect(refused is not IdempotencyMismatch, "only a used key is refused", room, key)
        if accepted is not None:
            left = BASIC_LIMIT - self.used_today(room.account_id) if self.on_basic(room.account_id) else None
            shown = None if left is None else max(0, left)
            self.expect(accepted.allowance.remaining == shown, "the quota shown is the quota", accepted, shown)

    async def _open_room(self, account_id: UUID) -> None:
        room = await create_room(self.world.chat, account_id=account_id, name="A room", model=None, instructions=None)
        self.rooms.append(room)

    @precondition(lambda self: len(self.replies()) > FEW)
    @rule(pick=picks)
    def delete_and_open_a_room(self, pick: int) -> None:
        room = self.rooms.pop(pick % len(self.rooms))
        self.do(self._delete_and_open(room))

    async def _delete_and_open(self, room: Room) -> None:
        await delete_room(self.world.chat, account_id=room.account_id, room_id=room.id)
        await self._open_room(room.account_id)

    @rule(account_id=st.sampled_from(ACCOUNTS), plan=st.sampled_from([PRO, BASIC, None]))
    def change_the_plan(self, account_id: UUID, plan: str | None) -> None:
        self.do(override_plan(self.world.billing, account_id=account_id, plan=plan))

    @precondition(lambda self: len(self.waiting()) > FEW)
    @rule(pick=picks)
    def stop(self, pick: int) -> None:
        waiting = self.waiting()
        reply = waiting[pick % len(waiting)]
        held = self.held(reply)
        stopped = self.do(
            stop_reply(
                self.world.chat,
                account_id=self.world.database.committed.rooms[reply.room_id][0].account_id,
                room_id=reply.room_id,
                reply_id=reply.id,
            )
        )
        self.expect(held or stopped.status.ended, "a reply without a lease stops at once", stopped)
        if not stopped.status.ended:
            flagged = self.world.database.committed.replies[reply.id].stop_requested
            self.expect(flagged, "a stop is not forgotten", stopped)

    @precondition(lambda self: self.replies())
    @rule(pick=picks, position=st.none() | picks | st.builds(EventId, st.integers(0, 3), st.integers(0, 20)))
    def read(self, pick: int, position: int | EventId | None) -> None:
        """From the beginning, from an earlier reader's position, or from an arbitrary one."""
        reply = self.replies()[pick % len(self.replies())]
        known = self.world.positions[reply.id]
        if isinstance(position, EventId):
            self.do(self._read(reply, position, None))
        elif position is None or not known:
            self.do(self._read(reply, EventId(0, 0), ""))
        else:
            self.do(self._read(reply, *known[position % len(known)]))

    async def _read(self, reply: Message, position: EventId, text: str | None) -> None:
        self.readers.append((reply, Reader(self.world, reply, position, text)))

    @rule(fault=st.sampled_from(StreamFault))
    def change_the_stream(self, fault: StreamFault) -> None:
        self.world.stream.fault = fault

    @rule(seconds=st.sampled_from([0.05, 1.0, 6.0, 16.0, 40.0]), asleep=st.booleans())
    def time_passes(self, seconds: float, asleep: bool) -> None:
        """If asleep, no task runs meanwhile, and no lease is renewed."""
        if asleep:
            self.world.skipped += seconds
        else:
            self.do(asyncio.sleep(seconds))

    @rule(span=st.sampled_from([timedelta(hours=3), timedelta(hours=25), None]))
    def long_time_passes(self, span: timedelta | None) -> None:
        """Every lease expires, and a day ends; with None, it is about to end."""
        now = self.world.now()
        last_second = now.replace(hour=23, minute=59, second=59, microsecond=999_000)
        span = span or max(last_second - now, timedelta(0))
        self.world.skipped += span.total_seconds()
