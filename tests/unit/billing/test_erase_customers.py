"""Customers of erased accounts are erased at the provider."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from tests.unit.billing.scenario import ACTIVE, MIRA, MIRAS, RAVI

DELAYS = [10, 30, 90, 270, 810, 2_430, 3_600, 3_600, 3_600, 3_600, 3_600, 3_600]
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def billing(billing):
    """Mira's account was erased, Ravi's exists."""
    await billing.add_customers(MIRA, RAVI)
    await billing.change_to(ACTIVE)
    billing.provider.set(replace(ACTIVE, id="sub_2", customer_id="cus_2"))
    billing.erase_account()
    return billing


async def test_customer_is_erased_at_the_provider_once(billing):
    assert await billing.erase_customers() == 1
    assert await billing.erase_customers() == 0
    assert billing.provider.count("erase_customer") == 1
    assert list(billing.provider.by_id) == ["sub_2"]
    assert billing.tables.customer_erasures == {}


async def test_customer_is_erased_once_by_parallel_workers(billing):
    assert sorted(await asyncio.gather(*(billing.erase_customers() for _ in range(10)))) == [0] * 9 + [1]
    assert billing.provider.count("erase_customer") == 1


@pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])
async def test_failed_erasure_is_retried_with_growing_delays(billing, error):
    billing.provider.error = error
    assert await billing.erase_customers() == 0
    for failures, seconds in enumerate(DELAYS, start=1):
        billing.advance(seconds=seconds)
        billing.now -= INSTANT
        await billing.erase_customers()
        assert billing.provider.count("erase_customer") == failures
        billing.now += INSTANT
        assert await billing.erase_customers() == 0
        assert billing.provider.count("erase_customer") == failures + 1
    billing.provider.error = None
    billing.advance(hours=1)
    assert await billing.erase_customers() == 1
    assert billing.tables.customer_erasures == {}


async def test_refused_customer_does_not_delay_the_others(billing):
    billing.erase_account(RAVI)
    billing.provider.refused.add(MIRAS)
    assert await billing.erase_customers() == 1
    assert list(billing.tables.customer_erasures) == [MIRAS]


async def test_at_most_20_are_claimed_at_a_time(billing):
    tables = billing.tables.copy()
    tables.customer_erasures |= {f"cus_{number}": (0, billing.now) for number in range(100, 140)}
    billing.database.committed = tables
    assert [await billing.erase_customers() for _ in range(4)] == [20, 20, 1, 0]


async def test_another_worker_continues_after_one_died(billing):
    erasing = asyncio.create_task(billing.erase_customers())
    while not billing.provider.count("erase_customer"):
        await asyncio.sleep(0)
    erasing.cancel()
    await asyncio.gather(erasing, return_exceptions=True)
    billing.advance(seconds=60 * 20)
    billing.now -= INSTANT
    assert await billing.erase_customers() == 0
    billing.now += INSTANT
    assert await billing.erase_customers() == 1


async def test_events_of_an_erased_customer_change_nothing(billing):
    # Its account is gone, and the subscription's metadata names no other.
    billing.provider.set(replace(ACTIVE, account_id=None))
    await billing.receive_and_process()
    assert list(billing.tables.customers) == ["cus_2"]
    assert billing.tables.subscriptions == {}
