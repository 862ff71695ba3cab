"""The running state of replies in SQL: every step is one conditional UPDATE, timed by the database's clock."""

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from parley.adapters.sql.clock import database_time
from parley.adapters.sql.tables import messages, rooms
from parley.core.chat.model import Claim, Ending, Lease, Status

_earlier = messages.alias("earlier")
# Written out in the statement, and in the order of the partial index: it serves only what is seen to be in it.
_states: BindParameter[list[str]] = bindparam(
    "unfinished", [Status.PENDING.value, Status.GENERATING.value], expanding=True, literal_execute=True
)
unfinished = messages.c.status.in_(_states)
# The same of a reply that is found by its id, said so that the index is not seen to serve it: while it is empty it
# looks cheaper to PostgreSQL than the primary key, and that plan may be kept when it is full.
_not_ended = messages.c.status.not_in([Status.COMPLETED.value, Status.FAILED.value, Status.STOPPED.value])
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
)


class SqlReplies:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        return await self._take(
            update(messages)
            .where(messages.c.id == reply_id, _not_ended, _due, _first_in_room)
            .values(status=Status.GENERATING.value, attempt=messages.c.attempt + 1, claimable_at=database_time(lease))
            .returning(*_claim_columns)
        )

    async def renew(self, claim: Claim, *, lease: float) -> Lease:
        renewed = await self._connection.execute(
            update(messages)
            .where(_held_by(claim))
            .values(claimable_at=database_time(lease))
            .returning(messages.c.stop_requested)
        )
        stop_requested = renewed.scalar_one_or_none()
        if stop_requested is None:
            return Lease.LOST
        return Lease.STOP_REQUESTED if stop_requested else Lease.HELD

    async def end(self, claim: Claim, ending: Ending) -> bool:
        return await self._write(claim, **_ending_values(ending))

    async def put_off(self, claim: Claim, *, seconds: float) -> bool:
        return await self._write(
            claim,
            status=Status.PENDING.value,
            failures=messages.c.failures + 1,
            # Who asked to stop meanwhile does not wait for the delay.
            claimable_at=case((messages.c.stop_requested, database_time()), else_=database_time(seconds)),
        )

    async def hand_back(self, claim: Claim) -> bool:
        return await self._write(claim, status=Status.PENDING.value, claimable_at=database_time())

    async def request_stop(self, reply_id: UUID) -> bool:
        flagged = await self._connection.execute(
            update(messages).where(messages.c.id == reply_id, _not_ended).values(stop_requested=True)
        )
        return flagged.rowcount == 1

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        held = and_(messages.c.status == Status.GENERATING.value, messages.c.claimable_at > database_time())
        return await self._take(
            update(messages)
            .where(messages.c.id == reply_id, _not_ended, ~held)
            .values(attempt=messages.c.attempt + 1, **_ending_values(ending))
            .returning(*_claim_columns)
        )

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        # The index begins with the account.
        account = select(rooms.c.account_id).where(rooms.c.id == room_id).scalar_subquery()
        found = await self._connection.execute(
            select(messages.c.id)
            .where(messages.c.account_id == account, messages.c.room_id == room_id, unfinished)
            .order_by(messages.c.position)
            .limit(1)
        )
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

    async def pending_count(self, account_id: UUID) -> int:
        counted = await self._connection.execute(
            select(func.count()).select_from(messages).where(messages.c.account_id == account_id, unfinished)
        )
        return counted.scalar_one()

    async def _take(self, statement: ReturningUpdate[Any]) -> Claim | None:
        taken = await self._connection.execute(statement)
        row = taken.one_or_none()
        return None if row is None else Claim(*row)

    async def _write(self, claim: Claim, **values: Any) -> bool:
        written = await self._connection.execute(update(messages).where(_held_by(claim)).values(**values))
        return written.rowcount == 1


def _held_by(claim: Claim) -> ColumnElement[bool]:
    """The fence: true only while no other attempt has begun and none has ended."""
    return and_(
        messages.c.id == claim.reply_id,
        messages.c.status == Status.GENERATING.value,
        messages.c.attempt == claim.attempt,
    )


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
