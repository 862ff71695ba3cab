"""The billing module over in-memory stores, with a clock and a payment provider that the test controls."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.core.billing import BillingPorts, checkout, events, reconcile, usage
from parley.core.billing.model import (
    Checkout,
    Customer,
    ProviderEvent,
    ReturnAddresses,
    Subscription,
    SubscriptionOverview,
    SubscriptionStatus,
)
from parley.core.billing.offered_plans import OfferedPlans
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.plans import PRO, Plans
from parley.core.ports import Clock
from tests.fakes.accounts import erase_from_other_modules
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.plans import PLANS
from tests.unit.billing.scripted_provider import SIGNATURE, UPDATED, ScriptedProvider, body_of

MIRA, RAVI, ZARA = UUID(int=1), UUID(int=2), UUID(int=3)
MIRAS = "cus_1"
START = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
PERIOD_END = datetime(2026, 4, 14, 12, tzinfo=UTC)
GRACE = timedelta(days=7)
RETURN_TO = ReturnAddresses("https://app.test/paid", "https://app.test/cancelled", "https://app.test/me")
ACTIVE = Subscription("sub_1", MIRAS, MIRA, SubscriptionStatus.ACTIVE, PERIOD_END, False)
PAST_DUE = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE)
CANCELED = replace(ACTIVE, status=SubscriptionStatus.CANCELED)
UNPAID = replace(ACTIVE, status=SubscriptionStatus.UNPAID)

# Several ports may share one database.
_event_ids = itertools.count(1)


@dataclass
class RecordingQueue:
    """`ids` are the events that were put on the queue and not taken from it."""

    ids: list[UUID] = field(default_factory=list)

    async def put(self, event_id: UUID, /) -> None:
        self.ids.append(event_id)


def billing_ports(
    uow: BillingUnitOfWork,
    provider: PaymentProvider,
    queue: RecordingQueue,
    *,
    now: Clock,
    grace: timedelta = GRACE,
    plans: Plans = PLANS,
) -> BillingPorts:
    return BillingPorts(
        uow=uow,
        provider=provider,
        sandbox=None,
        event_queue=queue,
        grace=grace,
        plans=plans,
        offered_plans=OfferedPlans(plans, provider, now=now),
        worker_id=UUID(int=1),
        now=now,
        new_id=lambda: UUID(int=next(_event_ids)),
    )


class Scenario:
    """`now` is the time of the module and of its database."""

    def __init__(self) -> None:
        self.now = START
        self.database = FakeDatabase(lambda: self.now)
        self.provider = ScriptedProvider()
        self.queue = RecordingQueue()
        uow = FakeBillingUnitOfWork(self.database)
        self.ports = billing_ports(uow, self.provider, self.queue, now=lambda: self.now)
        self._event_numbers = itertools.count(1)

    @property
    def tables(self):
        return self.database.committed

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    async def subscribe(self, account_id: UUID = MIRA) -> Checkout:
        return await checkout.subscribe(
            self.ports,
            account_id=account_id,
            email="mira@example.com",
            mobile_number=None,
            plan=PRO,
            price=None,
            return_to=RETURN_TO,
        )

    async def manage(self, account_id: UUID = MIRA) -> str:
        return await checkout.manage_subscription(self.ports, account_id=account_id, return_to=RETURN_TO)

    async def overview(self, account_id: UUID = MIRA) -> SubscriptionOverview:
        return await checkout.read_subscription(self.ports, account_id=account_id)

    async def plan(self, account_id: UUID = MIRA) -> str:
        return (await usage.read_plan(self.ports, account_id=account_id)).name

    async def override(self, plan: str | None) -> None:
        await usage.override_plan(self.ports, account_id=MIRA, plan=plan)

    async def add_customers(self, *accounts: UUID) -> None:
        """One for each account, with the id `cus_` and the account's number."""
        async with self.ports.uow() as unit:
            for account_id in accounts:
                await unit.customers.add(Customer(f"cus_{account_id.int}", account_id), now=self.now)
            await unit.commit()

    def new_event(
        self, subscription_id: str | None = "sub_1", *, customer_id: str | None = MIRAS, kind: str = UPDATED
    ) -> ProviderEvent:
        return ProviderEvent(f"evt_{next(self._event_numbers)}", kind, customer_id, subscription_id)

    async def receive(self, event: ProviderEvent, *, signature: str = SIGNATURE) -> None:
        await events.receive_event(self.ports, body=body_of(event), signature=signature)

    async def receive_new(self, *subscription_id: str | None, customer_id: str | None = MIRAS) -> UUID:
        """Receive a new event without processing it; returns its id of ours."""
        await self.receive(self.new_event(*subscription_id, customer_id=customer_id))
        return self.queue.ids.pop()

    async def process(self, event_id: UUID) -> None:
        await events.process_event(self.ports, event_id)

    async def receive_and_process(self, *subscription_id: str | None, customer_id: str | None = MIRAS) -> None:
        await self.process(await self.receive_new(*subscription_id, customer_id=customer_id))

    async def change_to(self, *subscriptions: Subscription) -> None:
        """Change these at the provider, and process an event for each."""
        for each in subscriptions:
            self.provider.set(each)
            await self.receive_and_process(each.id, customer_id=each.customer_id)

    async def requeue(self, worker: int = 1) -> list[UUID]:
        """Run the sweep; returns what it put on the queue, after taking it from there."""
        count = await events.requeue_events(replace(self.ports, worker_id=UUID(int=worker)))
        found, self.queue.ids = self.queue.ids, []
        assert len(found) == count
        return found

    async def waiting(self) -> tuple[int, datetime | None]:
        async with self.ports.uow(read_only=True) as unit:
            return await unit.events.waiting()

    async def forget(self) -> int:
        return await events.forget_events(self.ports)

    async def reconcile(self, worker: int = 1) -> int:
        return await reconcile.reconcile(replace(self.ports, worker_id=UUID(int=worker)))

    async def erase_customers(self) -> int:
        return await reconcile.erase_customers(self.ports)

    def erase_account(self, account_id: UUID = MIRA) -> None:
        tables = self.database.committed.copy()
        erase_from_other_modules(tables, account_id, self.now)
        self.database.committed = tables
