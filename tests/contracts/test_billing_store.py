"""The contract of the stores of customers, subscriptions, plans and leases."""

import asyncio
import itertools
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import FOREVER, Customer, SubscriptionStatus
from parley.core.plans import BASIC, PRO
from tests.contracts.billing_fixtures import LONG, NOW, PERIOD_END, SECOND, Store, a_subscription, every_store, new_id

store = every_store
INSTANT = timedelta(microseconds=1)
PAST_DUE = SubscriptionStatus.PAST_DUE


async def due(store: Store, before=FOREVER, limit: int = 100) -> list[str]:
    return await store.see(lambda unit: unit.customers.due(before=before, limit=limit))


async def take(store: Store, name: str, holder, *, seconds: float = LONG) -> bool:
    return await store.do(lambda unit: unit.leases.take(name, holder, seconds=seconds))


async def give_back(store: Store, name: str, holder) -> None:
    await store.do(lambda unit: unit.leases.give_back(name, holder))


async def read_number(store: Store, customer: Customer) -> int | None:
    return await store.do(lambda unit: unit.customers.next_read_number(customer.id))


async def test_customer_is_found_by_its_id_and_by_its_account(store):
    customer, other = await store.new_customer(), await store.new_account()
    assert await store.see(lambda unit: unit.customers.get(customer.id)) == replace(customer, reads=0)
    assert await store.see(lambda unit: unit.customers.of(customer.account_id)) == [customer]
    assert await store.see(lambda unit: unit.customers.get("cus_none")) is None
    assert await store.see(lambda unit: unit.customers.of(other)) == []


async def test_adding_a_known_customer_is_a_no_op(store):
    customer, other = await store.new_customer(), await store.new_account()
    await read_number(store, customer)
    again = Customer(customer.id, other)
    await asyncio.gather(*(store.do(lambda unit: unit.customers.add(again, now=NOW + SECOND)) for _ in range(10)))
    assert await store.see(lambda unit: unit.customers.get(customer.id)) == replace(customer, reads=1)
    assert await store.see(lambda unit: unit.customers.of(other)) == []
    assert await due(store, NOW + INSTANT) == [customer.id]


async def test_customers_of_an_account_are_ordered_by_id(store):
    first = await store.new_customer()
    second = await store.new_customer(first.account_id)
    before = Customer("cus_000000", first.account_id)
    await store.do(lambda unit: unit.customers.add(before, now=NOW))
    assert await store.see(lambda unit: unit.customers.of(first.account_id)) == [before, first, second]


async def test_read_numbers_count_from_one_for_each_customer(store):
    customer, other = await store.new_customer(), await store.new_customer()
    assert [await read_number(store, customer) for _ in range(3)] == [1, 2, 3]
    assert await read_number(store, other) == 1
    assert await read_number(store, Customer("cus_none", customer.account_id)) is None
    async with store.billing() as unit:
        assert await unit.customers.next_read_number(customer.id) == 4
    assert await read_number(store, customer) == 4


async def test_parallel_reads_get_different_numbers(store):
    customer = await store.new_customer()
    reads = await asyncio.gather(*(read_number(store, customer) for _ in range(20)))
    assert sorted(reads) == list(range(1, 21))


async def test_units_of_work_that_lock_one_account_run_one_after_the_other(store):
    customer = await store.new_customer()

    async def add_one() -> None:
        async with store.billing() as unit:
            await unit.customers.lock(customer.account_id)
            count = len(await unit.subscriptions.of(customer.account_id))
            one = a_subscription(customer, id=f"sub_{count}")
            await unit.subscriptions.put(one, account_id=customer.account_id, read_number=1, now=NOW)
            await unit.commit()

    async with asyncio.timeout(30):
        await asyncio.gather(*(add_one() for _ in range(20)))
    assert len(await store.subscriptions(customer.account_id)) == 20


async def test_due_customers_are_ordered_by_their_last_reconcile(store):
    third, first, second = [await store.new_customer(now=NOW + age * SECOND) for age in (3, 1, 2)]
    assert await due(store) == [first.id, second.id, third.id]
    assert await due(store, limit=2) == [first.id, second.id]
    assert await due(store, NOW + 2 * SECOND) == [first.id]
    await store.do(lambda unit: unit.customers.reconciled(first.id, at=NOW + 4 * SECOND))
    await store.do(lambda unit: unit.customers.reconciled("cus_none", at=NOW))
    assert await due(store) == [second.id, third.id, first.id]
    assert await due(store, NOW + SECOND) == []


async def test_subscription_is_stored_as_it_was_read(store):
    customer, other = await store.new_customer(), await store.new_account()
    for status, ends in itertools.product(SubscriptionStatus, (True, False)):
        read = a_subscription(customer, status=status, cancel_at_period_end=ends)
        await store.put(read)
        stored = replace(read, past_due_since=NOW if status is PAST_DUE else None)
        assert stored in await store.subscriptions(customer.account_id)
    bare = a_subscription(customer, current_period_end=None, past_due_since=NOW)
    await store.put(bare)
    assert replace(bare, past_due_since=None) in await store.subscriptions(customer.account_id)
    assert len(await store.subscriptions(customer.account_id)) == 2 * len(SubscriptionStatus) + 1
    assert await store.subscriptions(other) == []


async def test_uncommitted_subscription_is_not_stored(store):
    customer = await store.new_customer()
    async with store.billing() as unit:
        assert await unit.subscriptions.put(
            a_subscription(customer), account_id=customer.account_id, read_number=9, now=NOW
        )
    assert await store.subscriptions(customer.account_id) == []


@pytest.mark.parametrize("account_in_metadata", [None, new_id()])
async def test_subscription_belongs_to_the_account_that_it_is_put_for(store, account_in_metadata):
    customer = await store.new_customer()
    subscription = a_subscription(customer)
    for number in range(2):
        as_read = replace(subscription, account_id=account_in_metadata)
        put = await store.do(
            lambda unit, one=as_read, at=number: unit.subscriptions.put(
                one, account_id=customer.account_id, read_number=at, now=NOW
            )
        )
        assert put
        assert await store.subscriptions(customer.account_id) == [subscription]


async def test_latest_stored_subscription_comes_first(store):
    customer = await store.new_customer()
    one, two = a_subscription(customer), a_subscription(customer)
    for number, latest in enumerate((one, two, one), start=1):
        await store.put(latest, read_number=number, now=NOW + number * SECOND)
        assert (await store.subscriptions(customer.account_id))[0] == latest


async def test_earlier_read_never_overwrites_a_later_one(store):
    customer = await store.new_customer()
    subscription = a_subscription(customer)
    later = replace(subscription, status=SubscriptionStatus.UNPAID, current_period_end=None)
    assert await store.put(subscription, 5)
    assert not await store.put(later, 4)
    assert await store.subscriptions(customer.account_id) == [subscription]
    # The same read may be stored twice.
    assert await store.put(later, 5)
    assert await store.put(subscription, 6)
    assert not await store.put(later, 5)
    assert await store.subscriptions(customer.account_id) == [subscription]
    assert await store.put(a_subscription(customer), 1)


async def test_latest_read_of_parallel_writers_is_stored(store):
    customer = await store.new_customer()
    subscription, reads = a_subscription(customer), list(range(1, 21))
    random.Random(7).shuffle(reads)
    versions = [replace(subscription, current_period_end=NOW + number * SECOND) for number in reads]
    async with asyncio.timeout(30):
        await asyncio.gather(*(store.put(version, number) for version, number in zip(versions, reads, strict=True)))
    assert await store.subscriptions(customer.account_id) == [
        replace(subscription, current_period_end=NOW + 20 * SECOND)
    ]


async def test_past_due_since_is_kept_while_past_due(store):
    customer = await store.new_customer()
    past_due = a_subscription(customer, status=PAST_DUE)
    for number in range(1, 4):
        await store.put(replace(past_due, past_due_since=NOW - SECOND), number, now=NOW + number * SECOND)
        assert await store.subscriptions(customer.account_id) == [replace(past_due, past_due_since=NOW + SECOND)]
    assert not await store.put(replace(past_due, status=SubscriptionStatus.ACTIVE), 2, now=NOW)
    assert await store.subscriptions(customer.account_id) == [replace(past_due, past_due_since=NOW + SECOND)]


async def test_past_due_since_restarts_after_another_status(store):
    customer = await store.new_customer()
    for between in set(SubscriptionStatus) - {PAST_DUE}:
        past_due = a_subscription(customer, status=PAST_DUE)
        await store.put(past_due, 1)
        await store.put(replace(past_due, status=between, past_due_since=NOW), 2)
        assert replace(past_due, status=between) in await store.subscriptions(customer.account_id)
        await store.put(past_due, 3, now=NOW + SECOND)
        assert replace(past_due, past_due_since=NOW + SECOND) in await store.subscriptions(customer.account_id)


async def test_ends_and_pauses_are_stored(store):
    customer = await store.new_customer()
    changes = [{"cancel_at": NOW + SECOND, "is_paused": True}, {"cancel_at": None}, {"is_paused": False}]
    subscription = a_subscription(customer)
    for number, change in enumerate(changes, start=1):
        subscription = replace(subscription, **change)
        await store.put(subscription, number)
        assert await store.subscriptions(customer.account_id) == [subscription]


async def test_price_ended_with_the_period_that_was_stored_before(store):
    customer = await store.new_customer()
    ours = a_subscription(customer, price_ended_at=NOW, prices=("price_ours", "price_too"))
    theirs = replace(ours, has_our_price=False, current_period_end=PERIOD_END + SECOND)
    await store.put(ours, 1)
    assert await store.subscriptions(customer.account_id) == [replace(ours, price_ended_at=None)]
    for number in (2, 3):
        # Which plan that was remains known.
        await store.put(replace(theirs, prices=("price_theirs",)), number)
        assert await store.subscriptions(customer.account_id) == [replace(theirs, price_ended_at=PERIOD_END)]
    await store.put(ours, 4)
    assert await store.subscriptions(customer.account_id) == [replace(ours, price_ended_at=None)]


async def test_price_that_was_never_ours_ended_when_it_was_first_read(store):
    customer = await store.new_customer()
    theirs = a_subscription(customer, has_our_price=False)
    for number in (1, 2):
        await store.put(theirs, number, now=NOW + number * SECOND)
        assert await store.subscriptions(customer.account_id) == [replace(theirs, price_ended_at=NOW + SECOND)]
    endless = a_subscription(customer, current_period_end=None)
    await store.put(endless, 1)
    await store.put(replace(endless, has_our_price=False), 2, now=NOW + SECOND)
    assert (await store.subscriptions(customer.account_id))[0].price_ended_at == NOW + SECOND


async def test_customer_that_is_gone_is_marked(store):
    customer, other = await store.new_customer(), await store.new_customer()
    for customer_id in (customer.id, customer.id, "cus_none"):
        await store.do(lambda unit, gone=customer_id: unit.customers.mark_gone(gone))
    await store.do(lambda unit: unit.customers.add(customer, now=NOW))
    assert await store.see(lambda unit: unit.customers.of(customer.account_id)) == [replace(customer, is_gone=True)]
    assert await store.see(lambda unit: unit.customers.get(other.id)) == other


async def test_accounts_with_two_running_subscriptions_are_found(store):
    once, twice, ended = [await store.new_customer() for _ in range(3)]
    await store.put(a_subscription(once))
    for status in (SubscriptionStatus.ACTIVE, PAST_DUE):
        await store.put(a_subscription(twice, status=status))
    for change in (
        {},
        {"status": SubscriptionStatus.CANCELED},
        {"cancel_at_period_end": True, "current_period_end": NOW},
        {"cancel_at": NOW},
        {"has_our_price": False},
    ):
        await store.put(a_subscription(ended, **change))
    assert await store.see(lambda unit: unit.subscriptions.doubled(NOW)) == [twice.account_id]
    assert set(await store.see(lambda unit: unit.subscriptions.doubled(NOW - SECOND))) == {
        twice.account_id,
        ended.account_id,
    }


async def test_plan_is_pro_until_paid_until(store):
    account_id, other = await store.new_account(), await store.new_account()
    for until in (NOW, FOREVER, NOW + SECOND):
        await store.do(lambda unit, until=until: unit.plans.set_paid(account_id, {PRO: until, "former": NOW}))
        assert await store.see(lambda unit: unit.plans.paid(account_id)) == {PRO: until, "former": NOW}
        assert await store.plan(account_id, until - INSTANT) == PRO
        assert await store.plan(account_id, until) == BASIC
    assert await store.plan(other) == BASIC
    assert await store.see(lambda unit: unit.plans.paid(other)) == {}
    for _ in range(2):
        await store.do(lambda unit: unit.plans.set_paid(account_id, {}))
        assert await store.plan(account_id) == BASIC


@pytest.mark.parametrize("override", [BASIC, PRO])
async def test_operators_plan_and_payments_are_independent(store, override):
    account_id = await store.new_account()
    for until in (FOREVER, None, FOREVER):
        await store.do(lambda unit: unit.plans.override(account_id, override))
        await store.do(lambda unit, until=until: unit.plans.set_paid(account_id, {PRO: until} if until else {}))
        assert await store.plan(account_id) == override
        await store.do(lambda unit: unit.plans.override(account_id, None))
        assert await store.plan(account_id) == (PRO if until else BASIC)


async def test_one_of_20_parallel_workers_takes_the_lease(store):
    holders = [new_id() for _ in range(20)]
    for name in ("one", "another"):
        taken = await asyncio.gather(*(take(store, name, holder) for holder in holders))
        assert sum(taken) == 1
        # Only its holder can take it again, which renews it.
        assert [await take(store, name, holder) for holder in holders] == taken


async def test_expired_lease_can_be_taken_by_another(store):
    first, second = new_id(), new_id()
    assert await take(store, "it", first, seconds=0)
    assert await take(store, "it", second, seconds=0)
    assert await take(store, "it", first)
    assert not await take(store, "it", second, seconds=0)
    assert await take(store, "it", first, seconds=0)
    assert await take(store, "it", second)
    assert not await take(store, "it", first)


async def test_lease_is_released_only_by_its_holder(store):
    first, second = new_id(), new_id()
    await take(store, "it", first)
    await give_back(store, "it", second)
    await give_back(store, "nothing", first)
    assert not await take(store, "it", second)
    await give_back(store, "it", first)
    assert await take(store, "it", second)
