"""The daily reconcile, which repairs plans whose webhook was lost."""

import asyncio

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.plans import BASIC, PRO
from tests.unit.billing.scenario import ACTIVE, CANCELED, MIRA, MIRAS, PAST_DUE, RAVI, ZARA

ALL = [MIRAS, "cus_2", "cus_3"]


@pytest.fixture
async def billing(billing):
    """Three customers, each added a second after the other, whose last reconcile is more than a day ago."""
    for account_id in (MIRA, RAVI, ZARA):
        await billing.add_customers(account_id)
        billing.advance(seconds=1)
    billing.advance(days=1)
    return billing


def customers_read(billing) -> list[str]:
    return [subject for name, subject in billing.provider.calls if name == "subscriptions"]


async def die_during_reconcile(billing, worker: int) -> None:
    """A worker takes the lease and dies while the provider answers."""
    gate = billing.provider.delay_next()
    dying = asyncio.create_task(billing.reconcile(worker))
    await gate.reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)


async def test_plans_are_repaired_without_a_webhook(billing):
    billing.provider.set(ACTIVE)
    assert await billing.reconcile() == 3
    assert await billing.plan() == PRO
    billing.provider.set(CANCELED)
    billing.advance(days=1, seconds=1)
    await billing.reconcile()
    assert await billing.plan() == BASIC


async def test_every_customer_is_read_once_a_day_the_longest_ago_first(billing):
    assert await billing.reconcile() == 3
    assert customers_read(billing) == ALL
    assert await billing.reconcile() == 0
    billing.advance(days=1)
    assert await billing.reconcile() == 0
    billing.advance(microseconds=1)
    assert await billing.reconcile() == 3
    assert customers_read(billing) == ALL * 2


async def test_new_customer_is_due_after_a_day(billing):
    await billing.reconcile()
    await billing.add_customers(MIRA, RAVI)
    assert await billing.reconcile() == 0
    billing.erase_account(RAVI)
    billing.advance(days=2)
    assert await billing.reconcile() == 2


async def test_reconcile_does_not_restart_the_grace(billing):
    await billing.change_to(PAST_DUE)
    since = billing.now
    for _ in range(3):
        billing.advance(days=2)
        await billing.reconcile()
    assert (await billing.overview()).subscription.past_due_since == since
    billing.advance(days=1)
    assert await billing.plan() == BASIC


async def test_one_of_ten_parallel_workers_reconciles(billing):
    counts = await asyncio.gather(*(billing.reconcile(worker) for worker in range(1, 11)))
    assert customers_read(billing) == ALL
    assert sorted(counts) == [0] * 9 + [3]


async def test_worker_without_the_lease_does_not_release_it(billing):
    gate = billing.provider.delay_next()
    working = asyncio.create_task(billing.reconcile(1))
    await gate.reached.wait()
    for _ in range(2):
        assert await billing.reconcile(2) == 0
    gate.opened.set()
    assert await working == 3
    assert customers_read(billing) == ALL


async def test_lease_is_released_at_the_end(billing):
    assert await billing.reconcile(1) == 3
    assert billing.tables.leases == {}
    billing.advance(days=1, seconds=1)
    assert await billing.reconcile(2) == 3


async def test_another_worker_continues_after_one_died(billing):
    await die_during_reconcile(billing, 1)
    billing.advance(seconds=59.999)
    assert await billing.reconcile(2) == 0
    billing.advance(seconds=0.001)
    assert await billing.reconcile(2) == 3
    assert customers_read(billing) == [MIRAS, *ALL]


async def test_worker_whose_lease_expired_stops_without_taking_it_back(billing):
    first_gate, second_gate = billing.provider.delay_next(), billing.provider.delay_next()
    slow = asyncio.create_task(billing.reconcile(1))
    await first_gate.reached.wait()
    billing.advance(seconds=60)
    other = asyncio.create_task(billing.reconcile(2))
    await second_gate.reached.wait()
    first_gate.opened.set()
    assert await slow == 1
    assert [holder.int for holder, _ in billing.tables.leases.values()] == [2]
    second_gate.opened.set()
    assert await other == 3
    assert customers_read(billing) == [MIRAS, *ALL]


async def test_lease_is_renewed_with_every_customer(billing):
    gates = [billing.provider.delay_next() for _ in range(3)]
    working = asyncio.create_task(billing.reconcile(1))
    for gate in gates:
        await gate.reached.wait()
        billing.advance(seconds=59)
        assert await billing.reconcile(2) == 0
        gate.opened.set()
    assert await working == 3


async def test_unavailable_provider_ends_the_round(billing):
    billing.provider.error = PaymentsUnavailable
    assert await billing.reconcile(1) == 0
    assert customers_read(billing) == [MIRAS]
    assert billing.tables.leases == {}
    billing.provider.error = None
    assert await billing.reconcile(2) == 3


async def test_refused_customer_does_not_delay_the_others(billing):
    billing.provider.set(ACTIVE)
    billing.provider.refused.add("cus_2")
    assert await billing.reconcile() == 3
    assert customers_read(billing) == ALL
    assert await billing.plan() == PRO
    assert await billing.reconcile() == 0
    billing.advance(days=1, seconds=1)
    billing.provider.error = PaymentsRefused
    assert await billing.reconcile() == 3


async def test_account_erased_during_the_read_leaves_nothing_behind(billing):
    billing.provider.set(ACTIVE)
    gate = billing.provider.delay_next()
    working = asyncio.create_task(billing.reconcile())
    await gate.reached.wait()
    billing.erase_account()
    gate.opened.set()
    assert await working == 3
    assert set(billing.tables.customers) == {"cus_2", "cus_3"}
    assert (billing.tables.subscriptions, billing.tables.paid) == ({}, {})
