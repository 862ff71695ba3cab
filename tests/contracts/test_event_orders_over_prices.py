"""The plan equals the provider's state over two prices, in whatever order and however late events arrive.

A subscription is upgraded, downgraded, past due and cancelled, in each of the 24 orders in which these can happen, and
the events of each change are delivered in each of the 24 orders, twice: 576 cases.
"""

import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.core.billing.checkout import read_subscription, subscribe
from parley.core.billing.events import process_event, receive_event
from parley.core.billing.model import SubscriptionStatus
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.plans import Plan, Plans
from tests.contracts.billing_fixtures import new_id, store_over
from tests.contracts.databases import postgresql, sqlite
from tests.contracts.payment_fixtures import NOW, RETURN_TO, Signed, stripe
from tests.contracts.test_event_orders import SandboxDriver, StripeDriver
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.servers.stripe_account import PRICE
from tests.unit.billing.scenario import RecordingQueue, billing_ports

PLUS_PRICE = "price_plus_monthly"
PLANS = Plans(
    [
        Plan(name="free", title="Free", messages_per_day=5),
        Plan(name="plus", title="Plus", prices=(PLUS_PRICE, "price_plus_yearly")),
        Plan(name="pro", title="Pro", prices=(PRICE,)),
    ]
)
GRACE = timedelta(days=7)
INSTANT = timedelta(microseconds=1)
UPGRADE, DOWNGRADE, FAIL = {"price": PRICE}, {"price": PLUS_PRICE}, {"status": "past_due"}
# At the end of the period, or at once, after which nothing else changes.
CANCELLATIONS = ({"cancel_at_period_end": True}, {"status": "canceled"})
ORDERS = list(itertools.permutations(range(4)))

Driver = SandboxDriver | StripeDriver
Changes = Sequence[dict[str, object]]


def cases() -> Iterator[tuple[Changes, Sequence[int], bool]]:
    """What happens, the order in which its events arrive, and whether they arrive between the changes."""
    variants = itertools.cycle(itertools.product(CANCELLATIONS, (True, False)))
    for happened, arrives in itertools.product(ORDERS, ORDERS):
        cancellation, between = next(variants)
        changes = (UPGRADE, DOWNGRADE, FAIL, cancellation)
        yield [changes[number] for number in happened], arrives, between


def sample(step: int = 49) -> list[tuple[Changes, Sequence[int], bool]]:
    """Every `step`th case, where neighbours differ in both orders; all with FAULTS=long."""
    every = list(cases())
    return every if os.environ.get("FAULTS") == "long" else every[::step]


class Installation:
    """The billing module with three plans and a worker that processes events as soon as they are queued."""

    def __init__(self, uow: BillingUnitOfWork, driver: Driver) -> None:
        self._driver = driver
        self._queue = RecordingQueue()
        self._ports = billing_ports(uow, driver.provider, self._queue, now=lambda: NOW, grace=GRACE, plans=PLANS)

    async def run(self, account_id: UUID, changes: Changes, arrives: Sequence[int], *, between: bool) -> None:
        subscription_id = await self._start(account_id)
        happened: list[list[Signed]] = []
        waiting = list(arrives)
        for change in changes:
            current = await self._driver.provider.subscription(subscription_id)
            is_over = current.status is SubscriptionStatus.CANCELED
            happened.append([] if is_over else list(await self._driver.change(subscription_id, **change)))
            while between and waiting and waiting[0] < len(happened):
                await self._deliver(happened[waiting.pop(0)])
        for number in waiting:
            await self._deliver(happened[number])
        await self._check(account_id, subscription_id)

    async def _start(self, account_id: UUID) -> str:
        page = await subscribe(
            self._ports,
            account_id=account_id,
            email=None,
            mobile_number=None,
            plan="plus",
            price=None,
            return_to=RETURN_TO,
        )
        async with self._ports.uow(read_only=True) as unit:
            [customer] = await unit.customers.of(account_id)
        return await self._driver.start(page.session_id, customer)

    async def _deliver(self, signed_events: list[Signed]) -> None:
        await asyncio.gather(*(self._deliver_one(*signed) for signed in signed_events * 2))

    async def _deliver_one(self, body: bytes, signature: str) -> None:
        await receive_event(self._ports, body=body, signature=signature)
        while self._queue.ids:
            await process_event(self._ports, self._queue.ids.pop())

    async def _check(self, account_id: UUID, subscription_id: str) -> None:
        current = await self._driver.provider.subscription(subscription_id)
        overview = await read_subscription(self._ports, account_id=account_id)
        assert (overview.subscription.status, overview.subscription.prices) == (current.status, current.prices)
        expected, until = "free", NOW
        if current.status is not SubscriptionStatus.CANCELED:
            expected = "pro" if current.prices == (PRICE,) else "plus"
            ends = [NOW + GRACE] if current.status is SubscriptionStatus.PAST_DUE else []
            until = min([*ends, current.current_period_end])
        assert overview.plan.name == expected
        async with self._ports.uow(read_only=True) as unit:
            assert await unit.plans.of(account_id, now=until - INSTANT) == expected
            assert await unit.plans.of(account_id, now=until) == "free"


def test_cases_include_all_orders_of_changes_and_arrivals():
    every = list(cases())
    assert len(every) == 576
    assert len({(tuple(map(str, changes)), arrives) for changes, arrives, _ in every}) == 576
    assert len({arrives for _, arrives, _ in sample()}) >= 12
    assert {arrives for _, arrives, _ in sample(5)} == set(ORDERS)
    assert {tuple(map(str, changes)) for changes, *_ in sample(5)} >= {tuple(map(str, each[0])) for each in every[::24]}


async def test_plan_follows_the_sandbox_in_sampled_orders_over_the_memory_store():
    for changes, arrives, between in sample(5):
        installation = Installation(FakeBillingUnitOfWork(FakeDatabase(), PLANS), SandboxDriver())
        await installation.run(new_id(), changes, arrives, between=between)


async def test_plan_follows_the_sandbox_in_sampled_orders_over_sqlite(tmp_path: Path):
    async with sqlite(tmp_path) as database:
        uow, store = SqlBillingUnitOfWork(database, PlanLimits(PLANS)), store_over(database)
        for changes, arrives, between in sample():
            await Installation(uow, SandboxDriver()).run(await store.new_account(), changes, arrives, between=between)


async def test_plan_follows_stripe_in_sampled_orders_over_postgresql(tmp_path: Path):
    async with postgresql(tmp_path) as database, stripe() as harness:
        uow, store = SqlBillingUnitOfWork(database, PlanLimits(PLANS)), store_over(database)
        for changes, arrives, between in sample():
            installation = Installation(uow, StripeDriver(harness))
            await installation.run(await store.new_account(), changes, arrives, between=between)
