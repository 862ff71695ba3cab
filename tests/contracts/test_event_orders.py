"""The plan equals the provider's state, in whatever order and however often events arrive.

Six events are delivered in each of their 720 orders, each event three times, some in parallel. Changes at the provider
happen either all before the first delivery or between the deliveries.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from parley.adapters.payments.sandbox import events as sandbox_events
from parley.adapters.payments.sandbox.provider import SandboxPayments
from parley.core.billing.checkout import read_subscription, subscribe
from parley.core.billing.events import PLAN_EVENT_KINDS, process_event, receive_event
from parley.core.billing.model import FOREVER, Customer, ProviderEvent, Subscription, SubscriptionStatus
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.plans import BASIC, PRO
from tests.contracts.billing_fixtures import new_id, store_over
from tests.contracts.databases import postgresql, sqlite
from tests.contracts.payment_fixtures import NOW, RETURN_TO, Signed, StripeHarness, stripe
from tests.contracts.sandbox_fixtures import SECRET, Clock, SandboxHarness
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.servers.stripe_objects import invoice
from tests.unit.billing.scenario import RecordingQueue, billing_ports
from tests.unit.billing.scripted_provider import SIGNATURE, ScriptedProvider, body_of

GRACE = timedelta(days=7)
INSTANT = timedelta(microseconds=1)
ORDERS = list(itertools.permutations(sorted(PLAN_EVENT_KINDS)))
# How many of the six are delivered in parallel, besides the three deliveries of each.
SIZES = (1, 2, 3)

FAIL, PAY, CANCEL = {"status": "past_due"}, {"status": "active"}, {"status": "canceled"}
END, RESUME = {"cancel_at_period_end": True}, {"cancel_at_period_end": False}


@dataclass(frozen=True)
class Story:
    """Changes of a subscription after it started, and the resulting plan."""

    changes: Sequence[dict[str, object]]
    status: SubscriptionStatus
    paid_until: Callable[[Subscription], datetime | None]


STORIES = (
    Story((FAIL, END, PAY, RESUME), SubscriptionStatus.ACTIVE, lambda _: FOREVER),
    Story((END, RESUME, FAIL), SubscriptionStatus.PAST_DUE, lambda _: NOW + GRACE),
    Story((FAIL, PAY, END, CANCEL), SubscriptionStatus.CANCELED, lambda _: None),
    Story((FAIL, PAY, END), SubscriptionStatus.ACTIVE, lambda current: current.current_period_end),
)


class ProviderDriver(Protocol):
    """A provider and its customer's actions: like `Harness`, with events of every kind at any time."""

    provider: PaymentProvider

    async def start(self, session_id: str, customer: Customer) -> str: ...

    async def change(self, subscription_id: str, **state: object) -> object: ...

    async def event(self, kind: str, subscription_id: str) -> Signed: ...


class ScriptedDriver:
    def __init__(self) -> None:
        self.provider = ScriptedProvider()

    async def start(self, session_id: str, customer: Customer) -> str:
        end, active = NOW + timedelta(days=30), SubscriptionStatus.ACTIVE
        subscription = Subscription(f"sub of {session_id}", customer.id, customer.account_id, active, end, False)
        self.provider.set(subscription)
        return subscription.id

    async def change(self, subscription_id: str, **state: object) -> None:
        status = {"status": SubscriptionStatus(state["status"])} if "status" in state else {}
        self.provider.set(replace(self.provider.by_id[subscription_id], **state | status))

    async def event(self, kind: str, subscription_id: str) -> Signed:
        customer_id = self.provider.by_id[subscription_id].customer_id
        return body_of(ProviderEvent(f"evt_{new_id().int}", kind, customer_id, subscription_id)), SIGNATURE


class InMemoryState(dict[str, tuple[str, str]]):
    """A sandbox state in memory: customer and text by id."""

    async def add(self, object_id: str, customer_id: str, body: str) -> bool:
        return self.setdefault(object_id, (customer_id, body)) == (customer_id, body)

    async def get(self, object_id: str) -> str | None:  # type: ignore[override]
        return self[object_id][1] if object_id in self else None

    async def of_customer(self, customer_id: str) -> list[tuple[str, str]]:
        return [(object_id, body) for object_id, (owner, body) in self.items() if owner == customer_id]

    async def replace(self, object_id: str, *, old: str, new: str) -> bool:
        assert self[object_id][1] == old
        self[object_id] = (self[object_id][0], new)
        return True


class SandboxDriver:
    def __init__(self) -> None:
        state, clock = InMemoryState(), Clock()
        self.provider = SandboxPayments(
            state, secret=SECRET, public_url="http://parley.test", now=clock, new_token=lambda: str(new_id())
        )
        statuses = frozenset(SubscriptionStatus)
        self.change = SandboxHarness(self.provider, NOW, statuses, self.provider, state, clock).change

    async def start(self, session_id: str, customer: Customer) -> str:
        del customer
        events = await self.provider.pay(session_id)
        return str(self.provider.read_event(*events[0], NOW).subscription_id)

    async def event(self, kind: str, subscription_id: str) -> Signed:
        subscription = await self.provider.subscription(subscription_id)
        number = str(new_id().int)
        return sandbox_events.write_event(kind, number, subscription, session_id="cs_1", secret=SECRET, now=NOW)


class StripeDriver:
    def __init__(self, harness: StripeHarness) -> None:
        self.provider, self._account = harness.provider, harness.account
        self.change = harness.change

    async def start(self, session_id: str, customer: Customer) -> str:
        del customer
        self._account.complete(session_id)
        self._session_id = session_id
        return str(self._account.objects[session_id]["subscription"])

    async def event(self, kind: str, subscription_id: str) -> Signed:
        resource = self._account.objects[subscription_id]
        if kind.startswith("checkout"):
            resource = self._account.objects[self._session_id]
        elif kind.startswith("invoice"):
            resource = invoice(resource, NOW, paid=kind == "invoice.paid")
        return self._account.signed(kind, resource)


class Installation:
    """The billing module with a worker that processes events as soon as they are queued."""

    def __init__(self, uow: BillingUnitOfWork, driver: ProviderDriver) -> None:
        self._driver = driver
        self._queue = RecordingQueue()
        self._ports = billing_ports(uow, driver.provider, self._queue, now=lambda: NOW, grace=GRACE)

    async def deliver(self, signed: Signed) -> None:
        body, signature = signed
        await receive_event(self._ports, body=body, signature=signature)
        while self._queue.ids:
            await process_event(self._ports, self._queue.ids.pop())

    async def run(self, account_id: UUID, kinds: Sequence[str], story: Story, *, size: int, between: bool) -> None:
        """Deliver the events, `size` at once, while the story happens, then check the resulting plan."""
        page = await subscribe(
            self._ports,
            account_id=account_id,
            email=None,
            mobile_number=None,
            plan=PRO,
            price=None,
            return_to=RETURN_TO,
        )
        async with self._ports.uow(read_only=True) as unit:
            [customer] = await unit.customers.of(account_id)
        subscription_id = await self._driver.start(page.session_id, customer)
        groups = [kinds[start : start + size] for start in range(0, len(kinds), size)]
        changes = list(story.changes)
        for number, group in enumerate(groups):
            is_last = number == len(groups) - 1
            # All changes precede the last events; with `between`, earlier ones happen while events are delivered.
            while changes and (is_last or not between):
                await self._driver.change(subscription_id, **changes.pop(0))
            signed_events = [await self._driver.event(kind, subscription_id) for kind in group]
            parallel = [self._driver.change(subscription_id, **changes.pop(0))] if changes else []
            await asyncio.gather(*(self.deliver(signed) for signed in signed_events * 3), *parallel)
        await self._check(account_id, subscription_id, story)

    async def _check(self, account_id: UUID, subscription_id: str, story: Story) -> None:
        current = await self._driver.provider.subscription(subscription_id)
        assert current.status is story.status
        until = story.paid_until(current)
        overview = await read_subscription(self._ports, account_id=account_id)
        is_past_due = current.status is SubscriptionStatus.PAST_DUE
        assert overview.subscription == replace(current, past_due_since=NOW if is_past_due else None)
        assert overview.plan.name == (PRO if until else BASIC)
        async with self._ports.uow(read_only=True) as unit:
            assert await unit.plans.of(account_id, now=(until or NOW) - INSTANT) == overview.plan.name
            assert await unit.plans.of(account_id, now=until or NOW) == BASIC


def cases() -> Iterator[tuple[Sequence[str], Story, int, bool]]:
    """Every order, with all combinations of story, size and `between` in rotation."""
    combinations = itertools.cycle(itertools.product(STORIES, SIZES, (False, True)))
    return ((order, *rest) for order, rest in zip(ORDERS, combinations, strict=False))


def test_cases_include_all_orders_and_combinations():
    assert len({order for order, *_ in cases()}) == 720
    assert len({(id(story), size, between) for _, story, size, between in cases()}) == 24


async def test_plan_follows_the_provider_in_every_order_over_the_memory_store():
    for order, story, size, _ in cases():
        for between in (False, True):
            installation = Installation(FakeBillingUnitOfWork(FakeDatabase()), ScriptedDriver())
            await installation.run(new_id(), order, story, size=size, between=between)


async def test_plan_follows_the_sandbox_in_every_order_over_the_memory_store():
    for order, story, size, between in cases():
        installation = Installation(FakeBillingUnitOfWork(FakeDatabase()), SandboxDriver())
        await installation.run(new_id(), order, story, size=size, between=between)


async def test_plan_follows_the_sandbox_in_sampled_orders_over_sqlite(tmp_path: Path):
    async with sqlite(tmp_path) as database:
        store = store_over(database)
        for order, story, size, between in sample():
            installation = Installation(store.billing, SandboxDriver())
            await installation.run(await store.new_account(), order, story, size=size, between=between)
        assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def test_plan_follows_stripe_in_sampled_orders_over_postgresql(tmp_path: Path):
    async with postgresql(tmp_path) as database, stripe() as harness:
        store = store_over(database)
        for order, story, size, between in sample():
            installation = Installation(store.billing, StripeDriver(harness))
            await installation.run(await store.new_account(), order, story, size=size, between=between)
        assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


def sample() -> list[tuple[Sequence[str], Story, int, bool]]:
    """Some of the cases, with every combination among them; all with FAULTS=long."""
    return list(cases()) if os.environ.get("FAULTS") == "long" else list(cases())[::29][:24]
