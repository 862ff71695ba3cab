"""The running state of replies in SQL: every step is one conditional UPDATE, timed by the database's clock."""

from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, exists, or_, select, update

from parley.adapters.sql.chat.parts import encode_parts
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, given, literals
from parley.adapters.sql.engine.tables import messages, rooms
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import Claim, Ending, Lease, Status

_earlier = messages.alias("earlier")
# In the order of the partial index.
_states = literals(Status.PENDING.value, Status.GENERATING.value)
unfinished = messages.c.status.in_(_states)
# The same of a reply that is found by its id, in words that the index does not serve: while it is empty it
# looks cheaper to PostgreSQL than the primary key, and that plan may be kept when it is full.
_not_ended = messages.c.status.not_in(literals(Status.COMPLETED.value, Status.FAILED.value, Status.STOPPED.value))
_due = messages.c.claimable_at <= database_time()
_first_in_room = ~exists().where(
    _earlier.c.account_id == messages.c.account_id,
    _earlier.c.room_id == messages.c.room_id,
    _earlier.c.position < messages.c.position,
    _earlier.c.status.in_(_states),
)
claimable = and_(unfinished, _due, _first_in_room)
_claim_columns = (
    messages.c.id,
    messages.c.room_id,
    messages.c.account_id,
    messages.c.position,
    messages.c.model,
    messages.c.attempt,
    messages.c.failures,
    messages.c.charged_on,
    messages.c.created_at,
    messages.c.stop_requested,
    select(rooms.c.instructions).where(rooms.c.id == messages.c.room_id).correlate(messages).scalar_subquery(),
)
_ending = given(
    "status",
    "content",
    "parts",
    "completed_at",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "error_code",
    "error_detail",
)
_this_reply = messages.c.id == bindparam("reply")
# A parameter, not a literal: see _not_ended.
_generating = messages.c.status == Status.GENERATING.value
# The fence: true only while no other attempt has begun and none has ended.
_held = and_(_this_reply, _generating, messages.c.attempt == bindparam("held_attempt"))
_CLAIM = Statement(
    update(messages)
    .where(_this_reply, _not_ended, _due, _first_in_room)
    .values(
        status=literals(Status.GENERATING.value)[0],
        attempt=messages.c.attempt + 1,
        claimable_at=database_time("lease"),
    )
    .returning(*_claim_columns)
)
_RENEW = Statement(
    update(messages).where(_held).values(claimable_at=database_time("lease")).returning(messages.c.stop_requested)
)
_END = Statement(update(messages).where(_held).values(model=bindparam("asked_model"), **_ending))
_POSTPONE = Statement(
    update(messages)
    .where(_held)
    .values(
        status=Status.PENDING.value,
        model=bindparam("asked_model"),
        failures=bindparam("counted_failures"),
        # A reply that is to stop does not wait for the delay.
        claimable_at=case((messages.c.stop_requested, database_time()), else_=database_time("seconds")),
    )
)
_RELEASE = Statement(update(messages).where(_held).values(status=Status.PENDING.value, claimable_at=database_time()))
_REQUEST_STOP = Statement(update(messages).where(_this_reply, _not_ended).values(stop_requested=True))
_END_UNHELD = Statement(
    update(messages)
    .where(_this_reply, _not_ended, ~and_(_generating, messages.c.claimable_at > database_time()))
    .values(attempt=messages.c.attempt + 1, **_ending)
    .returning(*_claim_columns)
)
# The index begins with the account.
_account_of_room = select(rooms.c.account_id).where(rooms.c.id == bindparam("room")).scalar_subquery()
_NEXT_IN_ROOM = Statement(
    select(messages.c.id)
    .where(messages.c.account_id == _account_of_room, messages.c.room_id == bindparam("room"), unfinished)
    .order_by(messages.c.position)
    .limit(1)
)
_overdue = (
    select(messages.c.id)
    .where(
        unfinished,
        _due,
        or_(messages.c.queued_at < messages.c.claimable_at, messages.c.queued_at <= database_time("queued_since")),
        _first_in_room,
    )
    .order_by(messages.c.claimable_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    # Run once, whatever the plan: run again, it would find rows free that were locked a moment ago.
    .cte("overdue")
)
_TAKE_OVERDUE = Statement(
    update(messages)
    .where(messages.c.id.in_(select(_overdue.c.id)))
    .values(queued_at=database_time())
    .returning(messages.c.claimable_at, messages.c.id)
)


class SqlReplies(SqlStore):
    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        row = await self._transaction.one_or_none(_CLAIM, reply=reply_id, lease=lease)
        return None if row is None else Claim(*row)

    async def renew(self, claim: Claim, *, lease: float) -> Lease:
        stop_requested = await self._transaction.scalar(_RENEW, lease=lease, **_holder(claim))
        if stop_requested is None:
            return Lease.LOST
        return Lease.STOP_REQUESTED if stop_requested else Lease.HELD

    async def end(self, claim: Claim, ending: Ending) -> bool:
        values = _ending_values(ending) | {"asked_model": claim.model}
        return await self._transaction.execute(_END, **_holder(claim), **values) == 1

    async def postpone(self, claim: Claim, *, seconds: float, fallback: str | None = None) -> bool:
        model, failures = (claim.model, claim.failures + 1) if fallback is None else (fallback, 0)
        values = {"seconds": seconds, "asked_model": model, "counted_failures": failures}
        return await self._transaction.execute(_POSTPONE, **values, **_holder(claim)) == 1

    async def release(self, claim: Claim) -> bool:
        return await self._transaction.execute(_RELEASE, **_holder(claim)) == 1

    async def request_stop(self, reply_id: UUID) -> bool:
        return await self._transaction.execute(_REQUEST_STOP, reply=reply_id) == 1

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        row = await self._transaction.one_or_none(_END_UNHELD, reply=reply_id, **_ending_values(ending))
        return None if row is None else Claim(*row)

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        reply_id: UUID | None = await self._transaction.scalar(_NEXT_IN_ROOM, room=room_id)
        return reply_id

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        rows = await self._transaction.all(_TAKE_OVERDUE, queued_since=-patience, most=limit)
        return [reply_id for _, reply_id in sorted(tuple(row) for row in rows)]


def _holder(claim: Claim) -> dict[str, Any]:
    return {"reply": claim.reply_id, "held_attempt": claim.attempt}


def _ending_values(ending: Ending) -> dict[str, Any]:
    return {
        "status": ending.status.value,
        "content": ending.content,
        "parts": encode_parts(ending.parts),
        "completed_at": ending.at,
        "finish_reason": ending.finish_reason and ending.finish_reason.value,
        "input_tokens": ending.usage and ending.usage.input_tokens,
        "output_tokens": ending.usage and ending.usage.output_tokens,
        "cached_input_tokens": ending.usage and ending.usage.cached_input_tokens,
        "reasoning_tokens": ending.usage and ending.usage.reasoning_tokens,
        "error_code": ending.error and ending.error.code,
        "error_detail": ending.error and ending.error.detail,
    }
