"""What an erased account leaves behind in SQL, and what happens when it is erased at that very moment."""

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
from parley.core.billing.model import Customer, Plan, SubscriptionStatus
from parley.core.billing.reconcile import close_customers
from parley.core.errors import AccountGone
from tests.contracts.billing_fixtures import NOW, Store, a_subscription, an_event, new_id, postgresql, sql_store
from tests.unit.billing.desk import BACK, GRACE, Hints
from tests.unit.billing.till import SIGNATURE, Till, body_of

store = sql_store
ROUNDS = 30


class Shop:
    """A parley that follows its provider."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.till = Till()
        self.hints = Hints()

    async def receive(self, *about: str | None) -> None:
        await receive_event(
            uow=self.store.billing,
            provider=self.till,
            queue=self.hints,
            body=body_of(an_event(*about).event),
            signature=SIGNATURE,
            new_id=new_id,
            now=NOW,
        )

    async def work(self) -> None:
        """Process all that waits, at once."""
        waiting, self.hints.ids = self.hints.ids, []
        await asyncio.gather(
            *(
                process_event(uow=self.store.billing, provider=self.till, event_id=each, grace=GRACE, now=NOW)
                for each in waiting
            )
        )

    async def hear(self, *about: str | None) -> None:
        await self.receive(*about)
        await self.work()


@pytest.fixture
def shop(store):
    return Shop(store)


async def rows(store: Store) -> dict[str, list[Any]]:
    """What is in the tables that have anything."""
    async with store.database.transaction(read_only=True) as transaction:
        kept = {table.name: await transaction.all(Statement(select(table))) for table in metadata.sorted_tables}
    return {name: found for name, found in kept.items() if found}


async def test_erased_account_leaves_nothing_but_its_customers_to_be_closed(store, shop):
    account_id = await store.new_account()
    first, second = await store.new_customer(account_id), await store.new_customer(account_id)
    for customer in (first, second):
        shop.till.has(a_subscription(customer), a_subscription(customer, status=SubscriptionStatus.PAST_DUE))
        await shop.hear(customer.id, None)
    await store.do(lambda unit: unit.plans.override(account_id, Plan.PRO))
    await store.do(lambda unit: unit.leases.take("reconcile", new_id(), seconds=0))
    assert len(await store.subscriptions(account_id)) == 4

    await store.erase(account_id)

    kept = await rows(store)
    # What an event said is which things of the provider's changed, for the 30 days in which it may come again.
    assert kept.keys() == {"closures", "events", "leases"}
    assert sorted(row.customer_id for row in kept["closures"]) == [first.id, second.id]
    assert all(row.handled_at is not None for row in kept["events"])
    words = repr(kept)
    for personal in (str(account_id), account_id.hex, f"mira{account_id.int}@", "Mira", "sub_"):
        assert personal not in words
    assert await close_customers(uow=store.billing, provider=shop.till) == 2
    assert shop.till.kept == {}
    assert (await rows(store)).keys() == {"events", "leases"}


async def test_erasing_one_account_leaves_the_others_alone(store, shop):
    mine, theirs = await store.new_customer(), await store.new_customer()
    shop.till.has(a_subscription(mine), a_subscription(theirs))
    await shop.hear(mine.id, None)
    await shop.hear(theirs.id, None)
    await store.erase(mine.account_id)
    assert await store.plan(mine.account_id) is Plan.BASIC
    assert await store.plan(theirs.account_id) is Plan.PRO
    assert [row.id for row in (await rows(store))["customers"]] == [theirs.id]


async def test_customer_of_an_account_that_is_not_there_is_refused(store):
    with pytest.raises(AccountGone):
        await store.do(lambda unit: unit.customers.add(Customer("cus_1", new_id()), now=NOW))
    assert await rows(store) == {}


async def test_event_of_an_account_that_is_not_there_is_acknowledged(store, shop):
    """Erased here, or that of another parley at the same provider."""
    stranger = a_subscription(Customer("cus_1", new_id()))
    shop.till.has(stranger)
    await shop.hear("cus_1", stranger.id)
    await shop.hear(None, stranger.id)
    assert (await rows(store)).keys() == {"events"}
    assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def test_event_that_comes_after_the_erasure_brings_nothing_back(store, shop):
    customer = await store.new_customer()
    subscription = a_subscription(customer)
    shop.till.has(subscription)
    await store.erase(customer.account_id)
    for about in (subscription.id, None):
        await shop.hear(customer.id, about)
    assert (await rows(store)).keys() == {"closures", "events"}


async def test_customer_is_adopted_by_the_account_on_its_subscription(store, shop):
    account_id = await store.new_account()
    subscription = a_subscription(Customer("cus_9", account_id))
    shop.till.has(subscription)
    for _ in range(5):
        await shop.receive("cus_9", subscription.id)
    await shop.work()
    assert await store.plan(account_id) is Plan.PRO
    assert await store.subscriptions(account_id) == [subscription]


async def test_customer_that_is_made_while_its_account_is_erased_is_let_go_of_too(store, shop):
    account_id = await store.new_account()
    gate = shop.till.hold()
    subscribing = asyncio.create_task(
        subscribe(
            uow=store.billing,
            provider=shop.till,
            account_id=account_id,
            email="mira@example.com",
            mobile_number=None,
            back=BACK,
            now=NOW,
        )
    )
    await gate.reached.wait()
    await store.erase(account_id)
    gate.opened.set()
    with pytest.raises(AccountGone):
        await subscribing
    assert [row.customer_id for row in (await rows(store)).get("closures", [])] == list(shop.till.customers.values())


async def test_erasing_and_processing_at_once_neither_block_each_other_nor_leave_anything(tmp_path: Path):
    async with asyncio.timeout(60), postgresql(tmp_path) as store:
        for number in range(ROUNDS):
            await erased_at_once(store, await store.new_customer(), number)
        kept = await rows(store)
        assert kept.keys() == {"closures", "events"}
        assert len(kept["closures"]) == ROUNDS
        assert {row.failures for row in kept["events"]} == {0}


async def test_erasing_and_adopting_at_once_neither_block_each_other_nor_leave_anything(tmp_path: Path):
    async with asyncio.timeout(60), postgresql(tmp_path) as store:
        for number in range(ROUNDS):
            await erased_at_once(store, Customer(f"cus_new_{number}", await store.new_account()), number)
        assert (await rows(store)).keys() <= {"closures", "events"}


async def erased_at_once(store: Store, customer: Customer, number: int) -> None:
    """Four events of the customer are processed, each twice, while its account is erased."""
    shop, subscription = Shop(store), a_subscription(customer)
    second = replace(subscription, id=f"{subscription.id}_two")
    shop.till.has(subscription, second)
    for about in (subscription.id, None, second.id, subscription.id):
        await shop.receive(customer.id, about)
    shop.hints.ids *= 2
    await asyncio.gather(shop.work(), _after(number % 10, store.erase(customer.account_id)))
    assert await store.see(lambda unit: unit.events.waiting()) == (0, None)


async def _after(turns: int, call) -> None:
    """Begin the call so many turns of the event loop later."""
    for _ in range(turns * 5):
        await asyncio.sleep(0)
    await call
