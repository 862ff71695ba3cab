"""The running state of replies in SQL: every step is one conditional UPDATE, timed by the database's clock.

Statements of every reply are built once: building one costs as much as running it.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, bindparam, case, exists, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.core.chat.model import Claim, Ending, Lease, Role, Status

_earlier = messages.alias("earlier")


def literals(*words: Role | Status) -> list[ColumnElement[str]]:
    """Constants of ours in the statement's own text: a partial index serves only what is seen to be in it."""
    return [literal_column(f"'{word.value}'", String()) for word in words]


# In the order of the partial index.
_states = literals(Status.PENDING, Status.GENERATING)
unfinished = messages.c.status.in_(_states)
# The same of a reply that is found by its id, said so that the index is not seen to serve it: while it is empty it
# looks cheaper to PostgreSQL than the primary key, and that plan may be kept when it is full.
_not_ended = messages.c.status.not_in(literals(Status.COMPLETED, Status.FAILED, Status.STOPPED))
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
_end_columns = (
    messages.c.status,
    messages.c.content,
    messages.c.completed_at,
    messages.c.input_tokens,
    messages.c.output_tokens,
    messages.c.error_code,
    messages.c.error_detail,
)


# The fence: true only while no other attempt has begun and none has ended.
_held = and_(
    messages.c.id == bindparam("reply"),
    # Not written out: see _not_ended.
    messages.c.status == Status.GENERATING.value,
    messages.c.attempt == bindparam("held_attempt"),
)
_CLAIM = (
    update(messages)
    .where(messages.c.id == bindparam("reply"), _not_ended, _due, _first_in_room)
    .values(
        status=literals(Status.GENERATING)[0],
        attempt=messages.c.attempt + 1,
        claimable_at=database_time("lease"),
    )
    .returning(*_claim_columns)
)
_RENEW = update(messages).where(_held).values(claimable_at=database_time("lease")).returning(messages.c.stop_requested)
_END = update(messages).where(_held).values({column.name: bindparam(f"its_{column.name}") for column in _end_columns})
# The index begins with the account.
_account_of_room = select(rooms.c.account_id).where(rooms.c.id == bindparam("room", type_=Id)).scalar_subquery()
_NEXT_IN_ROOM = (
    select(messages.c.id)
    .where(messages.c.account_id == _account_of_room, messages.c.room_id == bindparam("room", type_=Id), unfinished)
    .order_by(messages.c.position)
    .limit(1)
)


class SqlReplies:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        taken = await self._connection.execute(_CLAIM, {"reply": reply_id, "lease": lease})
        row = taken.one_or_none()
        return None if row is None else Claim(*row)

    async def renew(self, claim: Claim, *, lease: float) -> Lease:
        renewed = await self._connection.execute(_RENEW, _holder(claim) | {"lease": lease})
        stop_requested = renewed.scalar_one_or_none()
        if stop_requested is None:
            return Lease.LOST
        return Lease.STOP_REQUESTED if stop_requested else Lease.HELD

    async def end(self, claim: Claim, ending: Ending) -> bool:
        values = {f"its_{name}": value for name, value in _ending_values(ending).items()}
        ended = await self._connection.execute(_END, _holder(claim) | values)
        return ended.rowcount == 1

    async def postpone(self, claim: Claim, *, seconds: float) -> bool:
        return await self._make_pending(
            claim,
            failures=messages.c.failures + 1,
            # Who asked to stop meanwhile does not wait for the delay.
            claimable_at=case((messages.c.stop_requested, database_time()), else_=database_time(seconds)),
        )

    async def release(self, claim: Claim) -> bool:
        return await self._make_pending(claim, claimable_at=database_time())

    async def request_stop(self, reply_id: UUID) -> bool:
        flagged = await self._connection.execute(
            update(messages).where(messages.c.id == reply_id, _not_ended).values(stop_requested=True)
        )
        return flagged.rowcount == 1

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        held = and_(messages.c.status == Status.GENERATING.value, messages.c.claimable_at > database_time())
        ended = await self._connection.execute(
            update(messages)
            .where(messages.c.id == reply_id, _not_ended, ~held)
            .values(attempt=messages.c.attempt + 1, **_ending_values(ending))
            .returning(*_claim_columns)
        )
        row = ended.one_or_none()
        return None if row is None else Claim(*row)

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        found = await self._connection.execute(_NEXT_IN_ROOM, {"room": room_id})
        return found.scalar_one_or_none()

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        overdue = (
            select(messages.c.id)
            .where(
                unfinished,
                _due,
                or_(messages.c.queued_at < messages.c.claimable_at, messages.c.queued_at <= database_time(-patience)),
                _first_in_room,
            )
            .order_by(messages.c.claimable_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            # Run once, whatever the plan: run again, it would find rows free that were locked a moment ago.
            .cte("overdue")
        )
        taken = await self._connection.execute(
            update(messages)
            .where(messages.c.id.in_(select(overdue.c.id)))
            .values(queued_at=database_time())
            .returning(messages.c.claimable_at, messages.c.id)
        )
        return [reply_id for _, reply_id in sorted(tuple(row) for row in taken)]

    async def _make_pending(self, claim: Claim, **values: Any) -> bool:
        made = await self._connection.execute(
            update(messages).where(_held).values(status=Status.PENDING.value, **values), _holder(claim)
        )
        return made.rowcount == 1


def _holder(claim: Claim) -> dict[str, Any]:
    return {"reply": claim.reply_id, "held_attempt": claim.attempt}


def _ending_values(ending: Ending) -> dict[str, Any]:
    return {
        "status": ending.status.value,
        "content": ending.content,
        "completed_at": ending.at,
        "input_tokens": ending.usage and ending.usage.input_tokens,
        "output_tokens": ending.usage and ending.usage.output_tokens,
        "error_code": ending.error and ending.error.code,
        "error_detail": ending.error and ending.error.detail,
    }
