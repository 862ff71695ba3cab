"""The billing module's storage over the in-memory database."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.billing.model import Customer, StoredEvent, Subscription, SubscriptionStatus
from parley.core.billing.stores import BillingUnit
from parley.core.plans import Plans
from parley.core.ports import Clock
from tests.fakes.database import FakeDatabase, FakeTransaction, InboxState, Tables, delete_where
from tests.fakes.leases import FakeLeases
from tests.fakes.plans import PLANS
from tests.fakes.quota import FakePlans, FakeUsageDays
from tests.fakes.webhooks import FakeOutgoingEvents, FakeReportedPlans


class FakeBillingUnitOfWork:
    def __init__(self, database: FakeDatabase, plans: Plans = PLANS) -> None:
        self._database = database
        self._plans = plans

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[BillingUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield FakeBillingUnit(transaction, self._plans)


class FakeBillingUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: FakeTransaction, plans: Plans) -> None:
        self._transaction = transaction
        tables, clock = transaction.tables, transaction.clock
        self.plans = FakePlans(tables, plans)
        self.usage_days = FakeUsageDays(tables)
        self.customers = FakeCustomers(tables)
        self.subscriptions = FakeSubscriptions(tables)
        self.events = FakeEvents(tables, clock)
        self.customer_erasures = FakeCustomerErasures(tables, clock)
        self.leases = FakeLeases(tables, clock)
        self.reported_plans = FakeReportedPlans(tables)
        self.outgoing_events = FakeOutgoingEvents(tables, clock)

    async def commit(self) -> None:
        self._transaction.commit()


class FakeCustomers:
    def __init__(self, tables: Tables) -> None:
        self._rows = tables.customers

    async def of(self, account_id: UUID) -> list[Customer]:
        own = [customer for customer, _ in self._rows.values() if customer.account_id == account_id]
        return sorted(own, key=lambda customer: customer.id)

    async def get(self, customer_id: str) -> Customer | None:
        row = self._rows.get(customer_id)
        return None if row is None else row[0]

    async def add(self, customer: Customer, *, now: datetime) -> None:
        self._rows.setdefault(customer.id, (customer, now))

    async def mark_gone(self, customer_id: str) -> None:
        if customer_id in self._rows:
            customer, reconciled_at = self._rows[customer_id]
            self._rows[customer_id] = (replace(customer, is_gone=True), reconciled_at)

    async def next_read_number(self, customer_id: str) -> int | None:
        if customer_id not in self._rows:
            return None
        customer, reconciled_at = self._rows[customer_id]
        self._rows[customer_id] = (replace(customer, reads=customer.reads + 1), reconciled_at)
        return customer.reads + 1

    async def lock(self, account_id: UUID) -> None: ...

    async def due(self, *, before: datetime, limit: int) -> list[str]:
        due = sorted((at, customer.id) for customer, at in self._rows.values() if at < before)
        return [customer_id for _, customer_id in due[:limit]]

    async def reconciled(self, customer_id: str, *, at: datetime) -> None:
        if customer_id in self._rows:
            self._rows[customer_id] = (self._rows[customer_id][0], at)


class FakeSubscriptions:
    def __init__(self, tables: Tables) -> None:
        self._rows = tables.subscriptions

    async def of(self, account_id: UUID) -> list[Subscription]:
        own = [row for row in self._rows.values() if row[0].account_id == account_id]
        latest_first = sorted(own, key=lambda row: (row[2], row[0].current_period_end or row[2]), reverse=True)
        return [subscription for subscription, _, _ in latest_first]

    async def put(self, subscription: Subscription, *, account_id: UUID, read_number: int, now: datetime) -> bool:
        before, seen_under, _ = self._rows.get(subscription.id, (None, 0, now))
        if seen_under > read_number:
            return False
        since = None
        if subscription.status is SubscriptionStatus.PAST_DUE:
            was = before is not None and before.status is SubscriptionStatus.PAST_DUE
            since = before.past_due_since if before is not None and was else now
        ended, prices = None, subscription.prices
        if not subscription.has_our_price:
            prices = prices if before is None else before.prices
            ended = (before and (before.price_ended_at or before.current_period_end)) or now
        written = replace(
            subscription, account_id=account_id, past_due_since=since, price_ended_at=ended, prices=prices
        )
        self._rows[subscription.id] = (written, read_number, now)
        return True

    async def doubled(self, now: datetime) -> list[UUID]:
        running = Counter(each.account_id for each, _, _ in self._rows.values() if each.is_running(now))
        return [account_id for account_id, count in running.items() if account_id and count > 1][:10]


class FakeEvents:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = tables.events
        self._clock = clock

    async def add(self, stored: StoredEvent, *, handled: bool, now: datetime) -> bool:
        if any(other.event.id == stored.event.id for other, _ in self._rows.values()):
            return False
        state = InboxState(now, None if handled else self._clock(), now if handled else None)
        self._rows[stored.id] = (stored, state)
        return True

    async def claim(self, event_id: UUID, *, lease: float) -> StoredEvent | None:
        row = self._rows.get(event_id)
        if row is None or row[1].claimable_at is None or row[1].claimable_at > self._clock():
            return None
        self._rows[event_id] = (row[0], replace(row[1], claimable_at=self._clock() + timedelta(seconds=lease)))
        return row[0]

    async def postpone(self, event_id: UUID, *, seconds: float) -> None:
        row = self._rows.get(event_id)
        if row is not None and row[1].handled_at is None:
            later = replace(row[1], claimable_at=self._clock() + timedelta(seconds=seconds))
            self._rows[event_id] = (replace(row[0], failures=row[0].failures + 1), later)

    async def handled(self, event_id: UUID, *, at: datetime) -> None:
        row = self._rows.get(event_id)
        if row is not None:
            self._rows[event_id] = (row[0], replace(row[1], claimable_at=None, handled_at=at))

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        since = self._clock() - timedelta(seconds=seconds)
        rows = self._rows.items()
        found = [(state.claimable_at, event_id) for event_id, (_, state) in rows if state.claimable_at is not None]
        return [event_id for at, event_id in sorted(found) if at <= since][:limit]

    async def waiting(self) -> tuple[int, datetime | None]:
        came = [state.received_at for _, state in self._rows.values() if state.handled_at is None]
        return len(came), min(came, default=None)

    async def forget_before(self, moment: datetime) -> int:
        return delete_where(self._rows, lambda row: row[1].handled_at is not None and row[1].handled_at < moment)


class FakeCustomerErasures:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = tables.customer_erasures
        self._clock = clock

    async def add(self, customer_id: str) -> None:
        self._rows.setdefault(customer_id, (0, self._clock()))

    async def claim(self, *, lease: float, limit: int) -> list[tuple[str, int]]:
        due = [customer_id for customer_id, (_, at) in self._rows.items() if at <= self._clock()][:limit]
        for customer_id in due:
            self._rows[customer_id] = (self._rows[customer_id][0], self._clock() + timedelta(seconds=lease))
        return [(customer_id, self._rows[customer_id][0]) for customer_id in due]

    async def postpone(self, customer_id: str, *, seconds: float) -> None:
        if customer_id in self._rows:
            failures = self._rows[customer_id][0] + 1
            self._rows[customer_id] = (failures, self._clock() + timedelta(seconds=seconds))

    async def remove(self, customer_id: str) -> None:
        self._rows.pop(customer_id, None)
