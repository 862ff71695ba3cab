"""Events for the operator's servers, and the plans last reported to them, in memory."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.outgoing_events import NewDelivery
from parley.core.ports import Clock
from parley.core.webhooks.model import (
    MEMORY_SECONDS,
    RETRY_SECONDS,
    ClaimedDelivery,
    DeliveryRecord,
    DeliveryStatus,
)
from parley.core.webhooks.stores import WebhooksUnit
from tests.fakes.database import FakeDatabase, FakeTransaction, Tables, delete_where


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The state of a delivery; `claimable_at` and `gives_up_at` are None once it has ended."""

    delivery: NewDelivery
    claimable_at: datetime | None
    gives_up_at: datetime | None
    attempts: int = 0
    last_error: str | None = None
    ended_at: datetime | None = None
    delivered: bool = False

    @property
    def record(self) -> DeliveryRecord:
        event = self.delivery.event
        if self.claimable_at is not None:
            status = DeliveryStatus.PENDING
        else:
            status = DeliveryStatus.DELIVERED if self.delivered else DeliveryStatus.FAILED
        return DeliveryRecord(
            self.delivery.id,
            self.delivery.endpoint,
            event.id,
            event.kind.value,
            event.account_id,
            event.at,
            status,
            self.attempts,
            self.last_error,
            self.claimable_at,
            self.ended_at,
        )


class FakeOutgoingEvents:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = tables.deliveries_of_events
        self._clock = clock

    async def add(self, deliveries: Sequence[NewDelivery]) -> None:
        now = self._clock()
        known = {(row.delivery.event.id, row.delivery.endpoint) for row in self._rows.values()}
        for each in deliveries:
            if (each.event.id, each.endpoint) not in known:
                self._rows[each.id] = DeliveryState(each, now, now + timedelta(seconds=RETRY_SECONDS))

    async def has(self, event_id: UUID) -> bool:
        return any(row.delivery.event.id == event_id for row in self._rows.values())


class FakeDeliveriesOfEvents:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = tables.deliveries_of_events
        self._clock = clock

    async def claim(self, endpoint: str, *, lease: float, limit: int) -> list[ClaimedDelivery]:
        now = self._clock()
        due = [
            row
            for row in self._rows.values()
            if row.delivery.endpoint == endpoint and row.claimable_at is not None and row.claimable_at <= now
        ]
        due = sorted(due, key=lambda row: row.claimable_at or now)[:limit]
        for row in due:
            self._rows[row.delivery.id] = replace(
                row, claimable_at=now + timedelta(seconds=lease), attempts=row.attempts + 1
            )
        return [ClaimedDelivery(row.delivery.id, row.delivery.event, row.attempts + 1) for row in due]

    async def delivered(self, delivery: ClaimedDelivery) -> None:
        row = self._rows.get(delivery.id)
        if row is not None and not row.delivered:
            self._rows[delivery.id] = replace(self._ended(row, None), delivered=True)

    async def postpone(self, delivery: ClaimedDelivery, *, seconds: float, error: str) -> bool:
        row = self._held(delivery)
        if row is None or row.gives_up_at is None:
            return True
        if row.gives_up_at <= self._clock():
            self._rows[delivery.id] = self._ended(row, error)
            return False
        at = min(self._clock() + timedelta(seconds=seconds), row.gives_up_at)
        self._rows[delivery.id] = replace(row, claimable_at=at, last_error=error)
        return True

    async def fail(self, delivery: ClaimedDelivery, *, error: str) -> None:
        row = self._held(delivery)
        if row is not None:
            self._rows[delivery.id] = self._ended(row, error)

    async def release(self, delivery: ClaimedDelivery) -> None:
        row = self._held(delivery)
        if row is not None:
            self._rows[delivery.id] = replace(row, claimable_at=self._clock())

    async def expire(self, *, limit: int) -> int:
        since = self._clock() - timedelta(hours=1)
        old = [row for row in self._rows.values() if row.gives_up_at is not None and row.gives_up_at <= since][:limit]
        for row in old:
            self._rows[row.delivery.id] = self._ended(row, row.last_error or "It was not tried in time.")
        return len(old)

    async def forget(self, *, limit: int) -> int:
        since = self._clock() - timedelta(seconds=MEMORY_SECONDS)
        old = [row for row in self._rows.values() if row.ended_at is not None and row.ended_at <= since][:limit]
        return sum(delete_where(self._rows, lambda row, one=each: row is one) for each in old)

    async def page(self, *, status: DeliveryStatus | None, before: UUID | None, limit: int) -> list[DeliveryRecord]:
        records = [row.record for row in self._rows.values()]
        shown = [
            each
            for each in sorted(records, key=lambda record: record.id, reverse=True)
            if (status is None or each.status is status) and (before is None or each.id < before)
        ]
        return shown[:limit]

    async def redeliver(self, delivery_id: UUID) -> DeliveryRecord | None:
        row = self._rows.get(delivery_id)
        if row is None:
            return None
        now = self._clock()
        self._rows[delivery_id] = DeliveryState(row.delivery, now, now + timedelta(seconds=RETRY_SECONDS))
        return self._rows[delivery_id].record

    def _held(self, delivery: ClaimedDelivery) -> DeliveryState | None:
        row = self._rows.get(delivery.id)
        is_held = row is not None and row.claimable_at is not None and row.attempts == delivery.attempt
        return row if is_held else None

    def _ended(self, row: DeliveryState, error: str | None) -> DeliveryState:
        return replace(row, claimable_at=None, gives_up_at=None, ended_at=self._clock(), last_error=error)


class FakeReportedPlans:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows = tables.reported_plans

    async def lock(self, account_id: UUID) -> str | None:
        plan, _ = self._rows.get(account_id, (None, None))
        return plan

    async def put(self, account_id: UUID, plan: str, *, changes_at: datetime | None) -> None:
        self._rows[account_id] = (plan, changes_at)

    async def due(self, *, now: datetime, limit: int) -> list[UUID]:
        due = sorted((at, account_id) for account_id, (_, at) in self._rows.items() if at is not None and at <= now)
        return [account_id for _, account_id in due[:limit]]


class FakeWebhooksUnitOfWork:
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[WebhooksUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield FakeWebhooksUnit(transaction)


class FakeWebhooksUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: FakeTransaction) -> None:
        self._transaction = transaction
        self.deliveries = FakeDeliveriesOfEvents(transaction.tables, transaction.clock)

    async def commit(self) -> None:
        self._transaction.commit()


def forget_personal(tables: Tables, account_id: UUID) -> None:
    for delivery_id, row in tables.deliveries_of_events.items():
        if row.delivery.event.account_id == account_id:
            event = replace(row.delivery.event, personal={})
            tables.deliveries_of_events[delivery_id] = replace(row, delivery=replace(row.delivery, event=event))
