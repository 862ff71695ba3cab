"""The billing module wired up with a clock and a payment provider that a test can foresee."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.core.billing import checkout, events, reconcile, usage
from parley.core.billing.model import (
    Checkout,
    Customer,
    Plan,
    ProviderEvent,
    ReturnAddresses,
    Subscription,
    SubscriptionOverview,
    SubscriptionStatus,
)
from tests.fakes.accounts import erase_from_other_modules
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.unit.billing.till import SIGNATURE, UPDATED, Till, body_of

MIRA, RAVI, ZARA = UUID(int=1), UUID(int=2), UUID(int=3)
MIRAS = "cus_1"
BEGIN = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
PERIOD_END = datetime(2026, 4, 14, 12, tzinfo=UTC)
GRACE = timedelta(days=7)
BACK = ReturnAddresses("https://app.test/paid", "https://app.test/cancelled", "https://app.test/me")
ACTIVE = Subscription("sub_1", MIRAS, MIRA, SubscriptionStatus.ACTIVE, PERIOD_END, False)
PAST_DUE = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE)
CANCELED = replace(ACTIVE, status=SubscriptionStatus.CANCELED)
UNPAID = replace(ACTIVE, status=SubscriptionStatus.UNPAID)


@dataclass
class Hints:
    """What was put on the queue and nobody has taken yet."""

    ids: list[UUID] = field(default_factory=list)

    async def put(self, event_id: UUID, /) -> None:
        self.ids.append(event_id)


class Desk:
    """Its database goes by the clock of the test as well."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.grace = GRACE
        self.database = FakeDatabase(lambda: self.now)
        self.uow = FakeBillingUnitOfWork(self.database)
        self.till = Till()
        self.hints = Hints()
        self._count = itertools.count(1)

    @property
    def tables(self):
        return self.database.committed

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def new_id(self) -> UUID:
        return UUID(int=next(self._count))

    async def subscribe(self, account_id: UUID = MIRA) -> Checkout:
        return await checkout.subscribe(
            uow=self.uow,
            provider=self.till,
            account_id=account_id,
            email="mira@example.com",
            mobile_number=None,
            back=BACK,
            now=self.now,
        )

    async def manage(self, account_id: UUID = MIRA) -> str:
        return await checkout.manage_subscription(uow=self.uow, provider=self.till, account_id=account_id, back=BACK)

    async def standing(self, account_id: UUID = MIRA) -> SubscriptionOverview:
        return await checkout.read_subscription(uow=self.uow, account_id=account_id, grace=self.grace, now=self.now)

    async def plan(self, account_id: UUID = MIRA) -> Plan:
        return await usage.read_plan(uow=self.uow, account_id=account_id, now=self.now)

    async def override(self, plan: Plan | None) -> None:
        await usage.override_plan(uow=self.uow, account_id=MIRA, plan=plan)

    async def know(self, *accounts: UUID) -> None:
        """Have a customer for each of them, `cus_` and the account's number."""
        async with self.uow() as unit:
            for account_id in accounts:
                await unit.customers.add(Customer(f"cus_{account_id.int}", account_id), now=self.now)
            await unit.commit()

    def new_event(
        self, subscription_id: str | None = "sub_1", *, customer_id: str | None = MIRAS, kind: str = UPDATED
    ) -> ProviderEvent:
        return ProviderEvent(f"evt_{next(self._count)}", kind, customer_id, subscription_id)

    async def receive(self, event: ProviderEvent, *, signature: str = SIGNATURE) -> None:
        await events.receive_event(
            uow=self.uow,
            provider=self.till,
            queue=self.hints,
            body=body_of(event),
            signature=signature,
            new_id=self.new_id,
            now=self.now,
        )

    async def received(self, *about: str | None, customer_id: str | None = MIRAS) -> UUID:
        """Our id of a new event that nobody has processed."""
        await self.receive(self.new_event(*about, customer_id=customer_id))
        return self.hints.ids.pop()

    async def process(self, event_id: UUID) -> None:
        await events.process_event(uow=self.uow, provider=self.till, event_id=event_id, grace=self.grace, now=self.now)

    async def hear(self, *about: str | None, customer_id: str | None = MIRAS) -> None:
        """An event comes and is processed."""
        await self.process(await self.received(*about, customer_id=customer_id))

    async def becomes(self, *subscriptions: Subscription) -> None:
        """So they are at the provider, which sends an event for each."""
        for each in subscriptions:
            self.till.has(each)
            await self.hear(each.id, customer_id=each.customer_id)

    async def requeue(self) -> list[UUID]:
        """What was put back on the queue, and taken from it."""
        count = await events.requeue_events(uow=self.uow, queue=self.hints)
        found, self.hints.ids = self.hints.ids, []
        assert len(found) == count
        return found

    async def waiting(self) -> tuple[int, datetime | None]:
        return await events.waiting_events(uow=self.uow)

    async def forget(self) -> int:
        return await events.forget_events(uow=self.uow, now=self.now)

    async def reconcile(self, holder: int = 1) -> int:
        return await reconcile.reconcile(
            uow=self.uow, provider=self.till, holder=UUID(int=holder), grace=self.grace, now=lambda: self.now
        )

    async def close(self) -> int:
        return await reconcile.close_customers(uow=self.uow, provider=self.till)

    def erase(self, account_id: UUID = MIRA) -> None:
        tables = self.database.committed.copy()
        erase_from_other_modules(tables, account_id, self.now)
        self.database.committed = tables
