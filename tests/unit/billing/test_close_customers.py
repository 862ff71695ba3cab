"""Customers of erased accounts are let go of."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from tests.unit.billing.desk import ACTIVE, MIRA, MIRAS, RAVI

DELAYS = [10, 30, 90, 270, 810, 2_430, 3_600, 3_600, 3_600, 3_600, 3_600, 3_600]
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def desk(desk):
    """Mira's account was erased, and Ravi's is there."""
    await desk.know(MIRA, RAVI)
    await desk.becomes(ACTIVE)
    desk.till.has(replace(ACTIVE, id="sub_2", customer_id="cus_2"))
    desk.erase()
    return desk


async def test_customer_is_erased_at_the_provider_once(desk):
    assert await desk.close() == 1
    assert await desk.close() == 0
    assert desk.till.count("erase_customer") == 1
    assert list(desk.till.kept) == ["sub_2"]
    assert desk.tables.customer_erasures == {}


async def test_customer_is_erased_once_by_parallel_workers(desk):
    assert sorted(await asyncio.gather(*(desk.close() for _ in range(10)))) == [0] * 9 + [1]
    assert desk.till.count("erase_customer") == 1


@pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])
async def test_provider_is_asked_ever_more_rarely_until_it_answers(desk, error):
    desk.till.error = error
    assert await desk.close() == 0
    for failures, seconds in enumerate(DELAYS, start=1):
        desk.later(seconds=seconds)
        desk.now -= INSTANT
        await desk.close()
        assert desk.till.count("erase_customer") == failures
        desk.now += INSTANT
        assert await desk.close() == 0
        assert desk.till.count("erase_customer") == failures + 1
    desk.till.error = None
    desk.later(hours=1)
    assert await desk.close() == 1
    assert desk.tables.customer_erasures == {}


async def test_customer_that_is_refused_does_not_keep_the_others(desk):
    desk.erase(RAVI)
    desk.till.refused.add(MIRAS)
    assert await desk.close() == 1
    assert list(desk.tables.customer_erasures) == [MIRAS]


async def test_no_more_than_20_are_taken_at_a_time(desk):
    tables = desk.tables.copy()
    tables.customer_erasures |= {f"cus_{number}": (0, desk.now) for number in range(100, 140)}
    desk.database.committed = tables
    assert [await desk.close() for _ in range(4)] == [20, 20, 1, 0]


async def test_another_goes_on_where_a_worker_died(desk):
    closing = asyncio.create_task(desk.close())
    while not desk.till.count("erase_customer"):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    desk.later(seconds=60 * 20)
    desk.now -= INSTANT
    assert await desk.close() == 0
    desk.now += INSTANT
    assert await desk.close() == 1


async def test_events_of_a_customer_that_is_being_let_go_change_nothing(desk):
    # Its account is not there any more, and the subscription says no other.
    desk.till.has(replace(ACTIVE, account_id=None))
    await desk.hear()
    assert list(desk.tables.customers) == ["cus_2"]
    assert desk.tables.subscriptions == {}
