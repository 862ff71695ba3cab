"""Claims and ends of deliveries in SQL: every step is one conditional UPDATE, timed by the database's clock."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, delete, func, null, or_, select, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, webhook_deliveries
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.outgoing_events import EventKind, OutgoingEvent
from parley.core.webhooks.model import (
    MEMORY_SECONDS,
    RETRY_SECONDS,
    ClaimedDelivery,
    DeliveryRecord,
    DeliveryStatus,
)

# An hour, in which an attempt that was claimed in time ends.
OVERDUE_SECONDS = 3_600.0

_rows = webhook_deliveries.c
_is_pending = _rows.claimable_at.is_not(None)
_this = _rows.id == bindparam("delivery")
# The fence: true only while no other worker has claimed it, and it has not ended.
_held = and_(_this, _is_pending, _rows.attempts == bindparam("held_attempt"))
_due = (
    select(_rows.id)
    .where(_rows.endpoint == bindparam("endpoint"), _rows.claimable_at <= database_time())
    .order_by(_rows.claimable_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    # A CTE, so that it runs only once: a second run would find rows unlocked since the first.
    .cte("due")
)
_CLAIM = Statement(
    update(webhook_deliveries)
    .where(_rows.id.in_(select(_due.c.id)))
    .values(claimable_at=database_time("lease"), attempts=_rows.attempts + 1)
    .returning(
        _rows.id,
        _rows.attempts,
        _rows.event_id,
        _rows.kind,
        _rows.account_id,
        _rows.occurred_at,
        _rows.data,
        _rows.personal,
    )
)
_ended = {"claimable_at": None, "gives_up_at": None, "ended_at": database_time()}
_DELIVERED = Statement(
    update(webhook_deliveries)
    .where(_this, _rows.delivered_at.is_(None))
    .values(**_ended | {"delivered_at": database_time(), "last_error": None})
)
_is_over = _rows.gives_up_at <= database_time()
_POSTPONE = Statement(
    update(webhook_deliveries)
    .where(_held)
    .values(
        claimable_at=case(
            (_is_over, null()),
            (database_time("seconds") < _rows.gives_up_at, database_time("seconds")),
            else_=_rows.gives_up_at,
        ),
        gives_up_at=case((_is_over, null()), else_=_rows.gives_up_at),
        ended_at=case((_is_over, database_time()), else_=null()),
        last_error=bindparam("error"),
    )
    # The column itself: SQLite takes «IS NULL» to be false here, as the condition above says.
    .returning(_rows.claimable_at)
)
_FAIL = Statement(update(webhook_deliveries).where(_held).values(**_ended | {"last_error": bindparam("error")}))
_RELEASE = Statement(update(webhook_deliveries).where(_held).values(claimable_at=database_time()))
_abandoned = (
    select(_rows.id)
    .where(_rows.gives_up_at <= database_time("since"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_EXPIRE = Statement(
    update(webhook_deliveries)
    .where(_rows.id.in_(_abandoned))
    .values(**_ended | {"last_error": func.coalesce(_rows.last_error, "It was not tried in time.")})
)
_old = (
    select(_rows.id)
    .where(_rows.ended_at <= database_time("since"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_FORGET = Statement(delete(webhook_deliveries).where(_rows.id.in_(_old)))
# Only those that have not ended have the moment, and an index of it.
WAITING_DELIVERIES = Statement(select(func.count(), func.min(_rows.gives_up_at)).where(_rows.gives_up_at.is_not(None)))
_shown = (
    _rows.id,
    _rows.endpoint,
    _rows.event_id,
    _rows.kind,
    _rows.account_id,
    _rows.occurred_at,
    _rows.attempts,
    _rows.last_error,
    _rows.claimable_at,
    _rows.ended_at,
    _rows.delivered_at,
)
_page = (
    select(*_shown)
    .where(or_(bindparam("before", type_=Id).is_(None), _rows.id < bindparam("before", type_=Id)))
    .order_by(_rows.id.desc())
    .limit(bindparam("most"))
)
_PAGES = {
    None: Statement(_page),
    DeliveryStatus.PENDING: Statement(_page.where(_is_pending)),
    DeliveryStatus.DELIVERED: Statement(_page.where(_rows.delivered_at.is_not(None))),
    DeliveryStatus.FAILED: Statement(_page.where(_rows.claimable_at.is_(None), _rows.delivered_at.is_(None))),
}
_REDELIVER = Statement(
    update(webhook_deliveries)
    .where(_this)
    .values(
        claimable_at=database_time(),
        gives_up_at=database_time("retry_seconds"),
        attempts=0,
        ended_at=None,
        delivered_at=None,
        last_error=None,
    )
    .returning(*_shown)
)


class SqlWebhookDeliveries(SqlStore):
    async def claim(self, endpoint: str, *, lease: float, limit: int) -> list[ClaimedDelivery]:
        rows = await self._transaction.all(_CLAIM, endpoint=endpoint, lease=lease, most=limit)
        return [_claimed(row) for row in rows]

    async def delivered(self, delivery: ClaimedDelivery) -> None:
        await self._transaction.execute(_DELIVERED, delivery=delivery.id)

    async def postpone(self, delivery: ClaimedDelivery, *, seconds: float, error: str) -> bool:
        row = await self._transaction.one_or_none(_POSTPONE, seconds=seconds, error=error, **_holder(delivery))
        return row is None or row[0] is not None

    async def fail(self, delivery: ClaimedDelivery, *, error: str) -> None:
        await self._transaction.execute(_FAIL, error=error, **_holder(delivery))

    async def release(self, delivery: ClaimedDelivery) -> None:
        await self._transaction.execute(_RELEASE, **_holder(delivery))

    async def expire(self, *, limit: int) -> int:
        return await self._transaction.execute(_EXPIRE, since=-OVERDUE_SECONDS, most=limit)

    async def forget(self, *, limit: int) -> int:
        return await self._transaction.execute(_FORGET, since=-MEMORY_SECONDS, most=limit)

    async def page(self, *, status: DeliveryStatus | None, before: UUID | None, limit: int) -> list[DeliveryRecord]:
        rows = await self._transaction.all(_PAGES[status], before=before, most=limit)
        return [_record(row) for row in rows]

    async def redeliver(self, delivery_id: UUID) -> DeliveryRecord | None:
        row = await self._transaction.one_or_none(_REDELIVER, delivery=delivery_id, retry_seconds=RETRY_SECONDS)
        return None if row is None else _record(row)


def _holder(delivery: ClaimedDelivery) -> dict[str, Any]:
    return {"delivery": delivery.id, "held_attempt": delivery.attempt}


def _claimed(row: Any) -> ClaimedDelivery:
    id_, attempt, event_id, kind, account_id, occurred_at, data, personal = row
    event = OutgoingEvent(
        event_id, EventKind(kind), account_id, occurred_at, json.loads(data), json.loads(personal or "{}")
    )
    return ClaimedDelivery(id_, event, attempt)


def _record(row: Any) -> DeliveryRecord:
    id_, endpoint, event_id, kind, account_id, occurred_at, *state = row
    attempts, last_error, claimable_at, ended_at, delivered_at = state
    if claimable_at is not None:
        status = DeliveryStatus.PENDING
    else:
        status = DeliveryStatus.FAILED if delivered_at is None else DeliveryStatus.DELIVERED
    event = (event_id, kind, account_id, occurred_at)
    return DeliveryRecord(id_, endpoint, *event, status, attempts, last_error, claimable_at, ended_at)
