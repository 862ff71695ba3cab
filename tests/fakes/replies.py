"""Claims and leases of replies in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.billing.model import MOST_RETURNED_REFUSALS
from parley.core.chat.model import Claim, Ending, Lease, Message, Status
from parley.core.chat.naming import Naming
from parley.core.chat.parts import Part, text_of
from parley.core.chat.tokens import Spent
from parley.core.ports import Clock
from tests.fakes.database import ReplyState, Tables
from tests.fakes.quota import FakeQuota


class FakeReplies:
    def __init__(self, tables: Tables, clock: Clock, quota: FakeQuota) -> None:
        self._quota = quota
        self._tables = tables
        self._clock = clock

    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        if not self._claimable(reply_id, self._clock()):
            return None
        message = self._tables.messages[reply_id]
        if not self._tables.replies[reply_id].stop_requested:
            message = replace(message, content="", parts=())
        self._tables.messages[reply_id] = replace(message, status=Status.GENERATING, attempt=message.attempt + 1)
        self._change(reply_id, claimable_in=lease)
        return self._claim(reply_id)

    async def renew(self, claims: Sequence[Claim], *, lease: float) -> list[Lease]:
        return [self._renew(claim, lease) for claim in claims]

    def _renew(self, claim: Claim, lease: float) -> Lease:
        if not self._held_by(claim):
            return Lease.LOST
        self._change(claim.reply_id, claimable_in=lease)
        return Lease.STOP_REQUESTED if self._tables.replies[claim.reply_id].stop_requested else Lease.HELD

    async def store_draft(self, claim: Claim, parts: tuple[Part, ...]) -> bool:
        if not self._held_by(claim):
            return False
        message = self._tables.messages[claim.reply_id]
        self._tables.messages[claim.reply_id] = replace(message, content=text_of(parts), parts=parts)
        return True

    async def end(self, claim: Claim, ending: Ending) -> bool:
        if not self._held_by(claim):
            return False
        self._end(claim.reply_id, ending)
        self._ask_of(claim.reply_id, claim.model)
        await self._count(claim, ending.counted)
        if ending.status is Status.FAILED and self._may_return(claim, ending):
            await self._quota.give_back(claim.account_id, day=claim.charged_on)
        return True

    def _may_return(self, claim: Claim, ending: Ending) -> bool:
        day, refusals = (claim.account_id, claim.charged_on), self._tables.returned_refusals
        returned = refusals.get(day, 0)
        if ending.is_refusal and returned >= MOST_RETURNED_REFUSALS:
            return False
        refusals[day] = returned + ending.is_refusal
        return True

    async def postpone(
        self, claim: Claim, *, seconds: float, fallback: str | None = None, spent: Spent | None = None
    ) -> bool:
        if not self._release(claim):
            return False
        await self._count(claim, spent)
        state = self._tables.replies[claim.reply_id]
        failures = claim.failures + 1 if fallback is None else 0
        self._tables.replies[claim.reply_id] = replace(state, failures=failures)
        self._ask_of(claim.reply_id, fallback or claim.model)
        self._change(claim.reply_id, claimable_in=0 if state.stop_requested else seconds)
        return True

    async def release(self, claim: Claim, *, spent: Spent | None = None) -> bool:
        if not self._release(claim):
            return False
        await self._count(claim, spent)
        state = self._tables.replies[claim.reply_id]
        self._tables.replies[claim.reply_id] = replace(state, releases=state.releases + 1)
        self._change(claim.reply_id, claimable_in=0)
        return True

    async def excuse(self, claim: Claim) -> None:
        message = self._tables.messages.get(claim.reply_id)
        if message is not None and not message.status.ended and message.attempt > claim.attempt:
            state = self._tables.replies[claim.reply_id]
            self._tables.replies[claim.reply_id] = replace(state, releases=state.releases + 1)

    async def request_stop(self, reply_id: UUID) -> bool:
        message = self._tables.messages.get(reply_id)
        if message is None or message.status.ended:
            return False
        self._tables.replies[reply_id] = replace(self._tables.replies[reply_id], stop_requested=True)
        return True

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        message = self._tables.messages.get(reply_id)
        if message is None or message.status.ended:
            return None
        if message.status is Status.GENERATING and self._tables.replies[reply_id].claimable_at > self._clock():
            return None
        self._tables.messages[reply_id] = replace(message, attempt=message.attempt + 1)
        self._end(reply_id, ending)
        return self._claim(reply_id)

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        waiting = [message for message in self._unfinished() if message.room_id == room_id]
        return min(waiting, key=lambda message: message.position).id if waiting else None

    async def any_overdue(self, *, patience: float) -> bool:
        return bool(self._overdue(patience, self._clock()))

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        now = self._clock()
        overdue = self._overdue(patience, now)
        overdue.sort(key=lambda reply_id: self._tables.replies[reply_id].claimable_at)
        for reply_id in overdue[:limit]:
            self._tables.replies[reply_id] = replace(self._tables.replies[reply_id], queued_at=now)
        return overdue[:limit]

    def _overdue(self, patience: float, now: datetime) -> list[UUID]:
        return [
            message.id
            for message in self._unfinished()
            if self._claimable(message.id, now)
            and self._waits_too_long(self._tables.replies[message.id], now - timedelta(seconds=patience))
        ]

    def _unfinished(self) -> list[Message]:
        return [message for message in self._tables.messages.values() if not message.status.ended]

    def _claimable(self, reply_id: UUID, now: datetime) -> bool:
        message = self._tables.messages.get(reply_id)
        if message is None or message.status.ended or self._tables.replies[reply_id].claimable_at > now:
            return False
        return not any(
            other.room_id == message.room_id and other.position < message.position for other in self._unfinished()
        )

    def _waits_too_long(self, state: ReplyState, waited_since: datetime) -> bool:
        return state.queued_at < state.claimable_at or state.queued_at <= waited_since

    def _held_by(self, claim: Claim) -> bool:
        message = self._tables.messages.get(claim.reply_id)
        return message is not None and message.status is Status.GENERATING and message.attempt == claim.attempt

    def _release(self, claim: Claim) -> bool:
        if not self._held_by(claim):
            return False
        message = self._tables.messages[claim.reply_id]
        self._tables.messages[claim.reply_id] = replace(message, status=Status.PENDING)
        return True

    async def _count(self, claim: Claim, spent: Spent | None) -> None:
        if spent is not None and spent != Spent():
            await self._quota.add_tokens(claim.account_id, day=claim.charged_on, spent=spent)

    def _ask_of(self, reply_id: UUID, model: str) -> None:
        self._tables.messages[reply_id] = replace(self._tables.messages[reply_id], model=model)

    def _change(self, reply_id: UUID, *, claimable_in: float) -> None:
        due = self._clock() + timedelta(seconds=claimable_in)
        self._tables.replies[reply_id] = replace(self._tables.replies[reply_id], claimable_at=due)

    def _end(self, reply_id: UUID, ending: Ending) -> None:
        self._tables.messages[reply_id] = replace(
            self._tables.messages[reply_id],
            status=ending.status,
            content=ending.content,
            completed_at=ending.at,
            usage=ending.usage,
            error=ending.error,
            parts=ending.parts,
            finish_reason=ending.finish_reason,
        )

    def _claim(self, reply_id: UUID) -> Claim:
        message, state = self._tables.messages[reply_id], self._tables.replies[reply_id]
        return Claim(
            reply_id=reply_id,
            room_id=message.room_id,
            account_id=state.account_id,
            position=message.position,
            model=message.model or "",
            attempt=message.attempt,
            failures=state.failures,
            charged_on=state.charged_on,
            created_at=message.created_at,
            stop_requested=state.stop_requested,
            releases=state.releases,
            instructions=self._tables.rooms[message.room_id][0].instructions,
            prompt=self._tables.prompts.get(message.room_id),
            awaits_title=self._tables.rooms[message.room_id][0].naming is Naming.FIRST_WORDS,
            plan=state.plan,
            settings=self._tables.reply_settings.get(reply_id),
        )
