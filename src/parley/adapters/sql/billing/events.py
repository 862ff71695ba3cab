"""The inbox of webhooks, in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, bindparam, case, delete, func, select, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import events
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import ProviderEvent, StoredEvent

_this_event = events.c.id == bindparam("event")
_ADD = Upsert(
    events,
    lambda insert: insert.values(
        claimable_at=case((bindparam("handled", type_=Boolean()), None), else_=database_time()),
        **given("id", "provider_id", "kind", "customer_id", "subscription_id", "received_at", "handled_at"),
    ).on_conflict_do_nothing(index_elements=["provider_id"]),
)
_CLAIM = Statement(
    update(events)
    .where(_this_event, events.c.claimable_at <= database_time())
    .values(claimable_at=database_time("lease"))
    .returning(
        events.c.id,
        events.c.failures,
        events.c.provider_id,
        events.c.kind,
        events.c.customer_id,
        events.c.subscription_id,
    )
)
_POSTPONE = Statement(
    update(events)
    .where(_this_event, events.c.handled_at.is_(None))
    .values(claimable_at=database_time("seconds"), failures=events.c.failures + 1)
)
_HANDLED = Statement(update(events).where(_this_event).values(handled_at=bindparam("at"), claimable_at=None))
_OVERDUE = Statement(
    select(events.c.id)
    .where(events.c.claimable_at <= database_time("since"))
    .order_by(events.c.claimable_at)
    .limit(bindparam("most"))
)
# Only those that wait have a time to be claimed at, and an index of it.
WAITING_EVENTS = Statement(
    select(func.count(), func.min(events.c.received_at)).where(events.c.claimable_at.is_not(None))
)
_FORGET = Statement(delete(events).where(events.c.handled_at < bindparam("moment")))


class SqlEvents(SqlStore):
    async def add(self, stored: StoredEvent, *, handled: bool, now: datetime) -> bool:
        added = await self._transaction.execute(
            _ADD,
            id=stored.id,
            provider_id=stored.event.id,
            kind=stored.event.kind,
            customer_id=stored.event.customer_id,
            subscription_id=stored.event.subscription_id,
            received_at=now,
            handled=handled,
            handled_at=now if handled else None,
        )
        return added == 1

    async def claim(self, event_id: UUID, *, lease: float) -> StoredEvent | None:
        row = await self._transaction.one_or_none(_CLAIM, event=event_id, lease=lease)
        if row is None:
            return None
        id_, failures, *event = row
        return StoredEvent(id_, ProviderEvent(*event), failures)

    async def postpone(self, event_id: UUID, *, seconds: float) -> None:
        await self._transaction.execute(_POSTPONE, event=event_id, seconds=seconds)

    async def handled(self, event_id: UUID, *, at: datetime) -> None:
        await self._transaction.execute(_HANDLED, event=event_id, at=at)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        return await self._transaction.scalars(_OVERDUE, since=-seconds, most=limit)

    async def waiting(self) -> tuple[int, datetime | None]:
        count, oldest = await self._transaction.one_or_none(WAITING_EVENTS)
        return count, oldest

    async def forget_before(self, moment: datetime) -> int:
        return await self._transaction.execute(_FORGET, moment=moment)
