"""The plan equals what the provider says, whatever order, number or repetition of events arrived.

Six events come in each of their 720 orders, each of them three times, some at once. Either all of it has happened at
the provider before the first of them comes, or it goes on happening between them.
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

from parley.adapters.payments.sandbox import SandboxPayments
from parley.adapters.payments.sandbox import events as sandbox_events
from parley.core.billing.checkout import read_subscription, subscribe
from parley.core.billing.events import KINDS, process_event, receive_event
from parley.core.billing.model import FOREVER, Customer, Plan, ProviderEvent, Subscription, SubscriptionStatus
from parley.core.billing.ports import PaymentProvider
from parley.core.billing.stores import BillingUnitOfWork
from tests.contracts.billing_fixtures import new_id, postgresql, sqlite
from tests.contracts.payment_fixtures import BACK, NOW, Signed, StripeTill, stripe
from tests.contracts.sandbox_fixtures import SECRET, Clock, SandboxActions
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.servers.stripe_objects import invoice
from tests.unit.billing.till import SIGNATURE, Till, body_of

GRACE = timedelta(days=7)
INSTANT = timedelta(microseconds=1)
ORDERS = list(itertools.permutations(sorted(KINDS)))
# How many of the six come at once. Those that come alone still come three times at once.
SIZES = (1, 2, 3)

FAIL, SETTLE, CANCEL = {"status": "past_due"}, {"status": "active"}, {"status": "canceled"}
END, RESUME = {"cancel_at_period_end": True}, {"cancel_at_period_end": False}


@dataclass(frozen=True)
class Story:
    """What happens to the subscription after it began, and what that makes of the plan."""

    changes: Sequence[dict[str, object]]
    status: SubscriptionStatus
    paid_until: Callable[[Subscription], datetime | None]


STORIES = (
    Story((FAIL, END, SETTLE, RESUME), SubscriptionStatus.ACTIVE, lambda _: FOREVER),
    Story((END, RESUME, FAIL), SubscriptionStatus.PAST_DUE, lambda _: NOW + GRACE),
    Story((FAIL, SETTLE, END, CANCEL), SubscriptionStatus.CANCELED, lambda _: None),
    Story((FAIL, SETTLE, END), SubscriptionStatus.ACTIVE, lambda seen: seen.current_period_end),
)


class Counter(Protocol):
    """The provider, and the hand on it: as `Till` of the payment fixtures, with every kind of event at any time."""

    provider: PaymentProvider

    async def begin(self, session_id: str, customer: Customer) -> str: ...

    async def change(self, subscription_id: str, **state: object) -> object: ...

    async def event(self, kind: str, subscription_id: str) -> Signed: ...


class ScriptedCounter:
    def __init__(self) -> None:
        self.provider = Till()

    async def begin(self, session_id: str, customer: Customer) -> str:
        end, active = NOW + timedelta(days=30), SubscriptionStatus.ACTIVE
        made = Subscription(f"sub of {session_id}", customer.id, customer.account_id, active, end, False)
        self.provider.has(made)
        return made.id

    async def change(self, subscription_id: str, **state: object) -> None:
        status = {"status": SubscriptionStatus(state["status"])} if "status" in state else {}
        self.provider.has(replace(self.provider.kept[subscription_id], **state | status))

    async def event(self, kind: str, subscription_id: str) -> Signed:
        customer_id = self.provider.kept[subscription_id].customer_id
        return body_of(ProviderEvent(f"evt_{new_id().int}", kind, customer_id, subscription_id)), SIGNATURE


class Texts(dict[str, tuple[str, str]]):
    """The sandbox's state: customer and text by id."""

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


class SandboxCounter:
    def __init__(self) -> None:
        state, clock = Texts(), Clock()
        self.provider = SandboxPayments(
            state, secret=SECRET, public_url="http://parley.test", now=clock, new_token=lambda: str(new_id())
        )
        statuses = frozenset(SubscriptionStatus)
        self.change = SandboxActions(self.provider, NOW, statuses, self.provider, state, clock).change

    async def begin(self, session_id: str, customer: Customer) -> str:
        del customer
        told = await self.provider.pay(session_id)
        return str(self.provider.read_event(*told[0], NOW).subscription_id)

    async def event(self, kind: str, subscription_id: str) -> Signed:
        seen = await self.provider.subscription(subscription_id)
        number = str(new_id().int)
        return sandbox_events.write_event(kind, number, seen, session_id="cs_1", secret=SECRET, now=NOW)


class StripeCounter:
    def __init__(self, till: StripeTill) -> None:
        self.provider, self._account = till.provider, till.account
        self.change = till.change

    async def begin(self, session_id: str, customer: Customer) -> str:
        del customer
        self._account.complete(session_id)
        self._session_id = session_id
        return str(self._account.things[session_id]["subscription"])

    async def event(self, kind: str, subscription_id: str) -> Signed:
        thing = self._account.things[subscription_id]
        if kind.startswith("checkout"):
            thing = self._account.things[self._session_id]
        elif kind.startswith("invoice"):
            thing = invoice(thing, NOW, paid=kind == "invoice.paid")
        return self._account.signed(kind, thing)


class Shop:
    """A parley, and its worker."""

    def __init__(self, uow: BillingUnitOfWork, counter: Counter) -> None:
        self._uow = uow
        self._counter = counter
        self._hints: list[UUID] = []

    async def put(self, event_id: UUID, /) -> None:
        self._hints.append(event_id)

    async def deliver(self, signed: Signed) -> None:
        provider = self._counter.provider
        await receive_event(
            uow=self._uow, provider=provider, queue=self, body=signed[0], signature=signed[1], new_id=new_id, now=NOW
        )
        while self._hints:
            await process_event(uow=self._uow, provider=provider, event_id=self._hints.pop(), grace=GRACE, now=NOW)

    async def follow(self, account_id: UUID, kinds: Sequence[str], story: Story, *, size: int, between: bool) -> None:
        """Let the story happen while the events come, `size` at once, and look at what became of the plan."""
        page = await subscribe(
            uow=self._uow,
            provider=self._counter.provider,
            account_id=account_id,
            email=None,
            mobile_number=None,
            back=BACK,
            now=NOW,
        )
        async with self._uow(read_only=True) as unit:
            [customer] = await unit.customers.of(account_id)
        subscription_id = await self._counter.begin(page.session_id, customer)
        groups = [kinds[start : start + size] for start in range(0, len(kinds), size)]
        event_kind = list(story.changes)
        for number, group in enumerate(groups):
            last = number == len(groups) - 1
            # What is told last is told after it has happened; before, things happen while events are under way.
            while event_kind and (last or not between):
                await self._counter.change(subscription_id, **event_kind.pop(0))
            told = [await self._counter.event(kind, subscription_id) for kind in group]
            now = [self._counter.change(subscription_id, **event_kind.pop(0))] if event_kind else []
            await asyncio.gather(*(self.deliver(signed) for signed in told * 3), *now)
        await self._check(account_id, subscription_id, story)

    async def _check(self, account_id: UUID, subscription_id: str, story: Story) -> None:
        theirs = await self._counter.provider.subscription(subscription_id)
        assert theirs.status is story.status
        until = story.paid_until(theirs)
        standing = await read_subscription(uow=self._uow, account_id=account_id, grace=GRACE, now=NOW)
        is_late = theirs.status is SubscriptionStatus.PAST_DUE
        assert standing.subscription == replace(theirs, past_due_since=NOW if is_late else None)
        assert standing.plan is (Plan.PRO if until else Plan.BASIC)
        async with self._uow(read_only=True) as unit:
            assert await unit.plans.of(account_id, now=(until or NOW) - INSTANT) is standing.plan
            assert await unit.plans.of(account_id, now=until or NOW) is Plan.BASIC


def cases() -> Iterator[tuple[Sequence[str], Story, int, bool]]:
    """Every order, with stories, sizes and whether it happens between the events in turn."""
    ways = itertools.cycle(itertools.product(STORIES, SIZES, (False, True)))
    return ((order, *way) for order, way in zip(ORDERS, ways, strict=False))


def test_all_orders_are_among_the_cases():
    assert len({order for order, *_ in cases()}) == 720
    assert len({(id(story), size, between) for _, story, size, between in cases()}) == 24


async def test_plan_follows_in_every_order_over_the_memory_store():
    for order, story, size, _ in cases():
        for between in (False, True):
            shop = Shop(FakeBillingUnitOfWork(FakeDatabase()), ScriptedCounter())
            await shop.follow(new_id(), order, story, size=size, between=between)


async def test_plan_follows_the_sandbox_in_every_order_over_the_memory_store():
    for order, story, size, between in cases():
        shop = Shop(FakeBillingUnitOfWork(FakeDatabase()), SandboxCounter())
        await shop.follow(new_id(), order, story, size=size, between=between)


async def test_plan_follows_the_sandbox_in_a_spread_of_orders_over_sqlite(tmp_path: Path):
    async with sqlite(tmp_path) as store:
        for order, story, size, between in spread():
            shop = Shop(store.billing, SandboxCounter())
            await shop.follow(await store.new_account(), order, story, size=size, between=between)
        assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def test_plan_follows_stripe_in_a_spread_of_orders_over_postgresql(tmp_path: Path):
    async with postgresql(tmp_path) as store, stripe() as till:
        for order, story, size, between in spread():
            shop = Shop(store.billing, StripeCounter(till))
            await shop.follow(await store.new_account(), order, story, size=size, between=between)
        assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


def spread() -> list[tuple[Sequence[str], Story, int, bool]]:
    """Some of the cases, every way among them; with FAULTS=long all."""
    return list(cases()) if os.environ.get("FAULTS") == "long" else list(cases())[::29][:24]
