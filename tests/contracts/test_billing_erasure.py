"""What an erased account leaves in SQL, and erasing an account while its events are processed."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import metadata
from parley.core.billing.checkout import subscribe
from parley.core.billing.events import process_event, receive_event
from parley.core.billing.model import Customer, SubscriptionStatus
from parley.core.billing.reconcile import erase_customers
from parley.core.errors import AccountGone
from parley.core.plans import BASIC, PRO
from tests.contracts.billing_fixtures import NOW, Store, a_subscription, an_event, new_id, sql_store, store_over
from tests.contracts.databases import postgresql
from tests.unit.billing.scenario import RETURN_TO, RecordingQueue, billing_ports
from tests.unit.billing.scripted_provider import SIGNATURE, ScriptedProvider, body_of

store = sql_store
ROUNDS = 30


class Billing:
    """The billing module over a store, with a scripted provider."""

    def __init__(self, store: Store) -> None:
        self.provider = ScriptedProvider()
        self.queue = RecordingQueue()
        self.ports = billing_ports(store.billing, self.provider, self.queue, now=lambda: NOW)

    async def receive(self, *ids: str | None) -> None:
        """An event with that customer id and subscription id."""
        await receive_event(self.ports, body=body_of(an_event(*ids).event), signature=SIGNATURE)

    async def process_all(self) -> None:
        """Process all queued events in parallel."""
        queued, self.queue.ids = self.queue.ids, []
        await asyncio.gather(*(process_event(self.ports, each) for each in queued))

    async def receive_and_process(self, *ids: str | None) -> None:
        await self.receive(*ids)
        await self.process_all()


@pytest.fixture
def billing(store):
    return Billing(store)


async def rows(store: Store) -> dict[str, list[Any]]:
    """What is in the tables that have anything of accounts."""
    async with store.database.transaction(read_only=True) as transaction:
        kept = {table.name: await transaction.all(Statement(select(table))) for table in metadata.sorted_tables}
    return {name: found for name, found in kept.items() if found and name != "schema_compatibility"}


async def test_erased_account_leaves_only_its_customers_to_erase(store, billing):
    account_id = await store.new_account()
    first, second = await store.new_customer(account_id), await store.new_customer(account_id)
    for customer in (first, second):
        billing.provider.set(a_subscription(customer), a_subscription(customer, status=SubscriptionStatus.PAST_DUE))
        await billing.receive_and_process(customer.id, None)
    await store.do(lambda unit: unit.plans.override(account_id, PRO))
    await store.do(lambda unit: unit.leases.take("reconcile", new_id(), seconds=0))
    assert len(await store.subscriptions(account_id)) == 4

    await store.erase(account_id)

    left = await rows(store)
    # Events are stored for 30 days, because they may be repeated; they hold only ids of the provider. Statistics are
    # counts of days.
    assert left.keys() == {"closures", "events", "leases", "noted_statistics"}
    assert sorted(row.customer_id for row in left["closures"]) == [first.id, second.id]
    assert all(row.handled_at is not None for row in left["events"])
    text = repr(left)
    for personal in (str(account_id), account_id.hex, f"mira{account_id.int}@", "Mira", "sub_"):
        assert personal not in text
    assert await erase_customers(billing.ports) == 2
    assert billing.provider.by_id == {}
    assert (await rows(store)).keys() == {"events", "leases", "noted_statistics"}


async def test_erasing_an_account_does_not_affect_others(store, billing):
    first, second = await store.new_customer(), await store.new_customer()
    billing.provider.set(a_subscription(first), a_subscription(second))
    await billing.receive_and_process(first.id, None)
    await billing.receive_and_process(second.id, None)
    await store.erase(first.account_id)
    assert await store.plan(first.account_id) == BASIC
    assert await store.plan(second.account_id) == PRO
    assert [row.id for row in (await rows(store))["customers"]] == [second.id]


async def test_customer_of_an_unknown_account_is_refused(store):
    with pytest.raises(AccountGone):
        await store.do(lambda unit: unit.customers.add(Customer("cus_1", new_id()), now=NOW))
    assert await rows(store) == {}


async def test_event_of_an_unknown_account_is_acknowledged(store, billing):
    """The account was erased, or belongs to another installation at the same provider."""
    unknown = a_subscription(Customer("cus_1", new_id()))
    billing.provider.set(unknown)
    await billing.receive_and_process("cus_1", unknown.id)
    await billing.receive_and_process(None, unknown.id)
    assert (await rows(store)).keys() == {"events"}
    assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def test_event_after_the_erasure_restores_nothing(store, billing):
    customer = await store.new_customer()
    subscription = a_subscription(customer)
    billing.provider.set(subscription)
    await store.erase(customer.account_id)
    for subscription_id in (subscription.id, None):
        await billing.receive_and_process(customer.id, subscription_id)
    assert (await rows(store)).keys() == {"closures", "events", "noted_statistics"}


async def test_unknown_customer_is_added_for_the_account_in_the_metadata(store, billing):
    account_id = await store.new_account()
    subscription = a_subscription(Customer("cus_9", account_id))
    billing.provider.set(subscription)
    for _ in range(5):
        await billing.receive("cus_9", subscription.id)
    await billing.process_all()
    assert await store.plan(account_id) == PRO
    assert await store.subscriptions(account_id) == [subscription]


async def test_customer_created_during_the_erasure_is_erased_too(store, billing):
    account_id = await store.new_account()
    gate = billing.provider.delay_next()
    subscribing = asyncio.create_task(
        subscribe(
            billing.ports,
            account_id=account_id,
            email="mira@example.com",
            mobile_number=None,
            plan=PRO,
            price=None,
            return_to=RETURN_TO,
        )
    )
    await gate.reached.wait()
    await store.erase(account_id)
    gate.opened.set()
    with pytest.raises(AccountGone):
        await subscribing
    assert [row.customer_id for row in (await rows(store)).get("closures", [])] == list(
        billing.provider.customers.values()
    )


async def test_parallel_erasure_and_events_of_known_customers_neither_deadlock_nor_leave_rows(tmp_path: Path):
    async with asyncio.timeout(60), postgresql(tmp_path) as database:
        store = store_over(database)
        for number in range(ROUNDS):
            await process_during_erasure(store, await store.new_customer(), number)
        left = await rows(store)
        assert left.keys() == {"closures", "events", "noted_statistics"}
        assert len(left["closures"]) == ROUNDS
        assert {row.failures for row in left["events"]} == {0}


async def test_parallel_erasure_and_events_of_new_customers_neither_deadlock_nor_leave_rows(tmp_path: Path):
    async with asyncio.timeout(60), postgresql(tmp_path) as database:
        store = store_over(database)
        for number in range(ROUNDS):
            await process_during_erasure(store, Customer(f"cus_new_{number}", await store.new_account()), number)
        assert (await rows(store)).keys() <= {"closures", "events", "noted_statistics"}


async def process_during_erasure(store: Store, customer: Customer, number: int) -> None:
    """Process four events of the customer, each twice, while its account is erased."""
    billing, subscription = Billing(store), a_subscription(customer)
    second = replace(subscription, id=f"{subscription.id}_two")
    billing.provider.set(subscription, second)
    for subscription_id in (subscription.id, None, second.id, subscription.id):
        await billing.receive(customer.id, subscription_id)
    billing.queue.ids *= 2
    await asyncio.gather(billing.process_all(), _after(number % 10, store.erase(customer.account_id)))
    assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def _after(delays: int, call) -> None:
    """Start the call after `delays` times five iterations of the event loop."""
    for _ in range(delays * 5):
        await asyncio.sleep(0)
    await call
