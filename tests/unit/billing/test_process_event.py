"""What a worker makes of an event."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Customer, Plan, SubscriptionStatus
from tests.unit.billing.desk import ACTIVE, BEGIN, CANCELED, MIRA, MIRAS, PAST_DUE, RAVI

DELAYS = [5, 15, 45, 135, 405, 900, 900, 900, 900, 900, 900, 900, 900]
INSTANT = timedelta(microseconds=1)


def is_untouched(desk) -> bool:
    tables = desk.tables
    return not (tables.subscriptions or tables.paid_until or tables.plans)


async def test_plan_becomes_what_the_provider_says(desk):
    await desk.know(MIRA)
    for state, plan in ((ACTIVE, Plan.PRO), (CANCELED, Plan.BASIC), (ACTIVE, Plan.PRO)):
        await desk.becomes(state)
        assert (await desk.plan(), (await desk.standing()).subscription) == (plan, state)
    assert await desk.plan(RAVI) is Plan.BASIC
    assert await desk.waiting() == (0, None)


async def test_event_is_handled_once_by_20_parallel_workers(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    event_id = await desk.received()
    await asyncio.gather(*(desk.process(event_id) for _ in range(20)))
    assert desk.till.asked == [("subscription", "sub_1")]
    assert await desk.plan() is Plan.PRO


async def test_repeated_hint_does_nothing(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    event_id = await desk.received()
    await desk.process(event_id)
    tables, asked = desk.tables, list(desk.till.asked)
    desk.later(days=1)
    desk.till.has(CANCELED)
    await desk.process(event_id)
    await desk.process(desk.new_id())
    assert (desk.tables, desk.till.asked) == (tables, asked)


@pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])
async def test_event_comes_back_ever_more_rarely_until_the_provider_answers(desk, error):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    desk.till.error = error
    event_id = await desk.received()
    await desk.process(event_id)
    for failures, seconds in enumerate(DELAYS, start=1):
        desk.later(seconds=seconds)
        desk.now -= INSTANT
        await desk.process(event_id)
        assert desk.till.count("subscription") == failures
        desk.now += INSTANT
        await desk.process(event_id)
        assert desk.till.count("subscription") == failures + 1
    assert is_untouched(desk)
    assert await desk.waiting() == (1, BEGIN)
    desk.till.error = None
    desk.later(seconds=902)
    assert await desk.requeue() == [event_id]
    await desk.process(event_id)
    assert await desk.plan() is Plan.PRO
    assert await desk.waiting() == (0, None)


async def test_event_of_a_stranger_waits_too_while_the_provider_does_not_answer(desk):
    desk.till.error = PaymentsUnavailable
    event_id = await desk.received()
    await desk.process(event_id)
    assert await desk.waiting() == (1, BEGIN)
    desk.till.error = None
    desk.till.has(ACTIVE)
    desk.later(seconds=5)
    await desk.process(event_id)
    assert await desk.plan() is Plan.PRO


async def test_event_of_a_worker_that_died_is_taken_by_another_after_its_lease(desk):
    await desk.know(MIRA)
    desk.till.has(ACTIVE)
    event_id = await desk.received()
    gate = desk.till.hold()
    dying = asyncio.create_task(desk.process(event_id))
    await gate.reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    desk.later(seconds=59.999)
    await desk.process(event_id)
    assert await desk.plan() is Plan.BASIC
    desk.later(seconds=2.001)
    assert await desk.requeue() == [event_id]
    await desk.process(event_id)
    assert await desk.plan() is Plan.PRO


@pytest.mark.parametrize("customer_id", ["cus_9", None])
@pytest.mark.parametrize("subscription_id", ["sub_1", "sub_9", None])
async def test_what_is_not_of_this_parley_is_acknowledged_without_any_change(desk, customer_id, subscription_id):
    await desk.know(MIRA)
    desk.till.has(replace(ACTIVE, customer_id="cus_9", account_id=None))
    before = desk.tables.customers
    await desk.hear(subscription_id, customer_id=customer_id)
    assert await desk.waiting() == (0, None)
    assert desk.tables.customers == before
    assert is_untouched(desk)
    assert desk.till.count("subscriptions") == 0


@pytest.mark.parametrize("customer_id", [MIRAS, None])
async def test_customer_that_is_new_here_is_adopted_by_the_account_on_its_subscription(desk, customer_id):
    desk.till.has(ACTIVE)
    await desk.hear(customer_id=customer_id)
    assert desk.tables.customers[MIRAS] == (Customer(MIRAS, MIRA, 1), BEGIN)
    assert await desk.plan() is Plan.PRO
    assert (await desk.standing()).subscription == ACTIVE


async def test_customer_is_adopted_once_by_parallel_workers(desk):
    desk.till.has(ACTIVE, replace(CANCELED, id="sub_2"))
    waiting = [await desk.received(subscription_id) for subscription_id in ("sub_1", "sub_2") * 5]
    await asyncio.gather(*(desk.process(event_id) for event_id in waiting))
    assert desk.tables.customers[MIRAS][0].reads == 10
    assert await desk.plan() is Plan.PRO


async def test_subscription_that_somebody_made_by_hand_counts_for_its_customers_account(desk):
    await desk.know(MIRA)
    await desk.becomes(replace(ACTIVE, account_id=None))
    assert await desk.plan() is Plan.PRO
    assert (await desk.standing()).subscription == ACTIVE


async def test_second_customer_of_an_account_counts_as_well(desk):
    await desk.know(MIRA)
    await desk.becomes(replace(ACTIVE, customer_id="cus_0"))
    assert await desk.plan() is Plan.PRO
    # What the first one has is no word on the other's.
    await desk.hear(None)
    assert await desk.plan() is Plan.PRO


async def test_event_without_a_subscription_looks_at_all_that_the_customer_has(desk):
    await desk.know(MIRA, RAVI)
    other = replace(ACTIVE, id="sub_9", customer_id="cus_2", account_id=RAVI)
    desk.till.has(replace(CANCELED, id="sub_2"), ACTIVE, other)
    await desk.hear(None)
    assert (await desk.plan(), await desk.plan(RAVI)) == (Plan.PRO, Plan.BASIC)
    assert set(desk.tables.subscriptions) == {"sub_1", "sub_2"}


@pytest.mark.parametrize("about", ["sub_1", None])
async def test_subscription_that_the_provider_does_not_know_any_more_is_over(desk, about):
    await desk.know(MIRA)
    await desk.becomes(ACTIVE, replace(ACTIVE, id="sub_2"))
    del desk.till.kept["sub_1"]
    desk.later(seconds=1)
    await desk.hear(about)
    assert await desk.plan() is Plan.PRO
    statuses = {key: row[0].status for key, row in desk.tables.subscriptions.items()}
    assert statuses == {"sub_1": SubscriptionStatus.CANCELED, "sub_2": SubscriptionStatus.ACTIVE}
    del desk.till.kept["sub_2"]
    await desk.hear("sub_2" if about else None)
    assert await desk.plan() is Plan.BASIC


@pytest.mark.parametrize("about", ["sub_1", None])
async def test_account_erased_during_the_look_leaves_nothing_behind(desk, about):
    await desk.know(MIRA, RAVI)
    await desk.becomes(PAST_DUE)
    desk.till.has(ACTIVE)
    gate, event_id = desk.till.hold(), await desk.received(about)
    working = asyncio.create_task(desk.process(event_id))
    await gate.reached.wait()
    desk.erase()
    gate.opened.set()
    await working
    assert await desk.waiting() == (0, None)
    assert is_untouched(desk)
    assert list(desk.tables.customers) == ["cus_2"]
    assert list(desk.tables.customer_erasures) == [MIRAS]


async def test_customer_stays_whose_it_is_whatever_its_subscription_names(desk):
    """An event that names no customer leads to the subscription, and that to a customer who is known already."""
    await desk.know(MIRA, RAVI)
    desk.till.has(replace(ACTIVE, customer_id="cus_2", account_id=MIRA))
    await desk.hear(customer_id=None)
    assert (await desk.plan(MIRA), await desk.plan(RAVI)) == (Plan.BASIC, Plan.PRO)


async def test_subscription_of_another_customer_is_none_of_theirs(desk):
    await desk.know(MIRA, RAVI)
    desk.till.has(replace(ACTIVE, customer_id="cus_2", account_id=RAVI))
    await desk.hear(customer_id=MIRAS)
    assert not desk.tables.subscriptions
    assert await desk.plan(MIRA) is Plan.BASIC
    assert await desk.waiting() == (0, None)
