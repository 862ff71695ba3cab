"""What keeps plans right when webhooks do not come."""

import asyncio

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Plan
from tests.unit.billing.desk import ACTIVE, CANCELED, MIRA, MIRAS, PAST_DUE, RAVI, ZARA

ALL = [MIRAS, "cus_2", "cus_3"]


@pytest.fixture
async def desk(desk):
    """Three customers whose day is over, each a second after the other."""
    for account_id in (MIRA, RAVI, ZARA):
        await desk.know(account_id)
        desk.later(seconds=1)
    desk.later(days=1)
    return desk


def asked(desk) -> list[str]:
    return [about for name, about in desk.till.asked if name == "subscriptions"]


async def dies(desk, holder: int) -> None:
    """A worker takes its turn and dies while the provider answers."""
    gate = desk.till.hold()
    dying = asyncio.create_task(desk.reconcile(holder))
    await gate.reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)


async def test_plans_are_right_again_though_no_webhook_came(desk):
    desk.till.has(ACTIVE)
    assert await desk.reconcile() == 3
    assert await desk.plan() is Plan.PRO
    desk.till.has(CANCELED)
    desk.later(days=1, seconds=1)
    await desk.reconcile()
    assert await desk.plan() is Plan.BASIC


async def test_every_customer_is_asked_about_once_a_day_the_longest_ago_first(desk):
    assert await desk.reconcile() == 3
    assert asked(desk) == ALL
    assert await desk.reconcile() == 0
    desk.later(days=1)
    assert await desk.reconcile() == 0
    desk.later(microseconds=1)
    assert await desk.reconcile() == 3
    assert asked(desk) == ALL * 2


async def test_new_customer_has_a_day_from_when_it_began(desk):
    await desk.reconcile()
    await desk.know(MIRA, RAVI)
    assert await desk.reconcile() == 0
    desk.erase(RAVI)
    desk.later(days=2)
    assert await desk.reconcile() == 2


async def test_grace_goes_on_over_reconciling(desk):
    await desk.becomes(PAST_DUE)
    since = desk.now
    for _ in range(3):
        desk.later(days=2)
        await desk.reconcile()
    assert (await desk.standing()).subscription.past_due_since == since
    desk.later(days=1)
    assert await desk.plan() is Plan.BASIC


async def test_of_two_parallel_workers_one_asks(desk):
    counts = await asyncio.gather(*(desk.reconcile(holder) for holder in range(1, 11)))
    assert asked(desk) == ALL
    assert sorted(counts) == [0] * 9 + [3]


async def test_worker_that_finds_another_at_it_leaves_its_turn_alone(desk):
    gate = desk.till.hold()
    working = asyncio.create_task(desk.reconcile(1))
    await gate.reached.wait()
    for _ in range(2):
        assert await desk.reconcile(2) == 0
    gate.opened.set()
    assert await working == 3
    assert asked(desk) == ALL


async def test_turn_is_given_back_at_the_end(desk):
    assert await desk.reconcile(1) == 3
    assert desk.tables.leases == {}
    desk.later(days=1, seconds=1)
    assert await desk.reconcile(2) == 3


async def test_another_goes_on_where_one_died(desk):
    await dies(desk, 1)
    desk.later(seconds=59.999)
    assert await desk.reconcile(2) == 0
    desk.later(seconds=0.001)
    assert await desk.reconcile(2) == 3
    assert asked(desk) == [MIRAS, *ALL]


async def test_worker_that_was_away_for_too_long_stops_without_taking_the_turn_from_another(desk):
    first_gate, second_gate = desk.till.hold(), desk.till.hold()
    slow = asyncio.create_task(desk.reconcile(1))
    await first_gate.reached.wait()
    desk.later(seconds=60)
    other = asyncio.create_task(desk.reconcile(2))
    await second_gate.reached.wait()
    first_gate.opened.set()
    assert await slow == 1
    assert [holder.int for holder, _ in desk.tables.leases.values()] == [2]
    second_gate.opened.set()
    assert await other == 3
    assert asked(desk) == [MIRAS, *ALL]


async def test_turn_is_renewed_with_every_customer(desk):
    gates = [desk.till.hold() for _ in range(3)]
    working = asyncio.create_task(desk.reconcile(1))
    for gate in gates:
        await gate.reached.wait()
        desk.later(seconds=59)
        assert await desk.reconcile(2) == 0
        gate.opened.set()
    assert await working == 3


async def test_provider_that_does_not_answer_ends_the_round(desk):
    desk.till.error = PaymentsUnavailable
    assert await desk.reconcile(1) == 0
    assert asked(desk) == [MIRAS]
    assert desk.tables.leases == {}
    desk.till.error = None
    assert await desk.reconcile(2) == 3


async def test_customer_that_is_refused_does_not_keep_the_others(desk):
    desk.till.has(ACTIVE)
    desk.till.refused.add("cus_2")
    assert await desk.reconcile() == 3
    assert asked(desk) == ALL
    assert await desk.plan() is Plan.PRO
    assert await desk.reconcile() == 0
    desk.later(days=1, seconds=1)
    desk.till.error = PaymentsRefused
    assert await desk.reconcile() == 3


async def test_account_erased_during_the_look_leaves_nothing_behind(desk):
    desk.till.has(ACTIVE)
    gate = desk.till.hold()
    working = asyncio.create_task(desk.reconcile())
    await gate.reached.wait()
    desk.erase()
    gate.opened.set()
    assert await working == 3
    assert set(desk.tables.customers) == {"cus_2", "cus_3"}
    assert (desk.tables.subscriptions, desk.tables.paid_until) == ({}, {})
