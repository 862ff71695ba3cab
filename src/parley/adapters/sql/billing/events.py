"""The inbox of webhooks, and the customers that erased accounts left behind, in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import customer_erasures, events
from parley.core.billing.model import ProviderEvent, StoredEvent


class SqlEvents:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def add(self, stored: StoredEvent, *, handled: bool, now: datetime) -> bool:
        added = await self._connection.execute(
            self._insert(events)
            .values(
                id=stored.id,
                provider_id=stored.event.id,
                kind=stored.event.kind,
                customer_id=stored.event.customer_id,
                subscription_id=stored.event.subscription_id,
                received_at=now,
                claimable_at=None if handled else database_time(),
                handled_at=now if handled else None,
            )
            .on_conflict_do_nothing(index_elements=["provider_id"])
        )
        return added.rowcount == 1

    async def claim(self, event_id: UUID, *, lease: float) -> StoredEvent | None:
        claimed = await self._connection.execute(
            update(events)
            .where(events.c.id == event_id, events.c.claimable_at <= database_time())
            .values(claimable_at=database_time(lease))
            .returning(*events.c)
        )
        row = claimed.one_or_none()
        if row is None:
            return None
        event = ProviderEvent(row.provider_id, row.kind, row.customer_id, row.subscription_id)
        return StoredEvent(row.id, event, row.failures)

    async def postpone(self, event_id: UUID, *, seconds: float) -> None:
        await self._connection.execute(
            update(events)
            .where(events.c.id == event_id, events.c.handled_at.is_(None))
            .values(claimable_at=database_time(seconds), failures=events.c.failures + 1)
        )

    async def handled(self, event_id: UUID, *, at: datetime) -> None:
        await self._connection.execute(
            update(events).where(events.c.id == event_id).values(handled_at=at, claimable_at=None)
        )

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        found = await self._connection.execute(
            select(events.c.id)
            .where(events.c.claimable_at <= database_time(-seconds))
            .order_by(events.c.claimable_at)
            .limit(limit)
        )
        return list(found.scalars())

    async def waiting(self) -> tuple[int, datetime | None]:
        # Only those that wait have a time to be claimed at, and an index of it.
        found = await self._connection.execute(
            select(func.count(), func.min(events.c.received_at)).where(events.c.claimable_at.is_not(None))
        )
        count, oldest = found.one()
        return count, oldest

    async def forget_before(self, moment: datetime) -> int:
        forgotten = await self._connection.execute(delete(events).where(events.c.handled_at < moment))
        return forgotten.rowcount


class SqlCustomerErasures:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def add(self, customer_id: str) -> None:
        await self._connection.execute(
            self._insert(customer_erasures)
            .values(customer_id=customer_id, claimable_at=database_time())
            .on_conflict_do_nothing(index_elements=["customer_id"])
        )

    async def claim(self, *, lease: float, limit: int) -> list[tuple[str, int]]:
        due = (
            select(customer_erasures.c.customer_id)
            .where(customer_erasures.c.claimable_at <= database_time())
            .order_by(customer_erasures.c.claimable_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = await self._connection.execute(
            update(customer_erasures)
            .where(customer_erasures.c.customer_id.in_(due.scalar_subquery()))
            .values(claimable_at=database_time(lease))
            .returning(customer_erasures.c.customer_id, customer_erasures.c.failures)
        )
        return [(row.customer_id, row.failures) for row in claimed]

    async def postpone(self, customer_id: str, *, seconds: float) -> None:
        await self._connection.execute(
            update(customer_erasures)
            .where(customer_erasures.c.customer_id == customer_id)
            .values(claimable_at=database_time(seconds), failures=customer_erasures.c.failures + 1)
        )

    async def remove(self, customer_id: str) -> None:
        await self._connection.execute(delete(customer_erasures).where(customer_erasures.c.customer_id == customer_id))
