"""How plans change with time, without events, and by the operator's override."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import SubscriptionStatus
from parley.core.plans import BASIC, PRO
from tests.unit.billing.scenario import ACTIVE, CANCELED, MIRA, PAST_DUE, PERIOD_END, START, UNPAID

INSTANT = timedelta(microseconds=1)
ENDING = replace(ACTIVE, cancel_at_period_end=True)


@pytest.fixture
async def billing(billing):
    await billing.add_customers(MIRA)
    await billing.change_to(ACTIVE)
    return billing


async def past_due_since(billing):
    return (await billing.overview()).subscription.past_due_since


async def test_past_due_is_pro_for_7_days_and_basic_afterwards(billing):
    await billing.change_to(PAST_DUE)
    for span, plan in (({"days": 6, "hours": 23, "minutes": 59}, PRO), ({"minutes": 1}, BASIC)):
        billing.advance(**span)
        assert (await billing.plan(), (await billing.overview()).plan.name) == (plan, plan)
    billing.now -= INSTANT
    assert await billing.plan() == PRO
    billing.advance(days=100)
    assert await billing.plan() == BASIC
    assert billing.provider.count("subscription") == 2


async def test_repeated_events_do_not_extend_the_grace(billing):
    await billing.change_to(PAST_DUE)
    for _ in range(6):
        billing.advance(days=1)
        await billing.receive_and_process()
        await billing.receive_and_process(None)
        assert await past_due_since(billing) == START
    billing.advance(hours=23, minutes=59)
    assert await billing.plan() == PRO
    billing.advance(minutes=1)
    assert await billing.plan() == BASIC
    await billing.receive_and_process()
    assert await billing.plan() == BASIC


@pytest.mark.parametrize("between", [ACTIVE, UNPAID, CANCELED])
async def test_grace_restarts_after_another_status(billing, between):
    await billing.change_to(PAST_DUE)
    billing.advance(days=6)
    await billing.change_to(between)
    assert await past_due_since(billing) is None
    billing.advance(days=6)
    again = billing.now
    await billing.change_to(PAST_DUE)
    assert await past_due_since(billing) == again
    billing.advance(days=6, hours=23)
    assert await billing.plan() == PRO
    billing.advance(hours=1)
    assert await billing.plan() == BASIC


async def test_past_due_is_basic_at_once_without_grace(billing):
    billing.ports = replace(billing.ports, grace=timedelta(0))
    await billing.change_to(PAST_DUE)
    assert (await billing.overview()).plan.name == BASIC
    await billing.change_to(ACTIVE)
    assert await billing.plan() == PRO


@pytest.mark.parametrize("status", sorted(SubscriptionStatus))
async def test_plan_for_each_status(billing, status):
    await billing.change_to(replace(ACTIVE, status=status))
    pro = {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE}
    assert await billing.plan() == (PRO if status in pro else BASIC)


async def test_cancelled_subscription_is_pro_exactly_until_its_period_ends(billing):
    await billing.change_to(ENDING)
    calls = list(billing.provider.calls)
    for moment, plan in ((START, PRO), (PERIOD_END - INSTANT, PRO), (PERIOD_END, BASIC)):
        billing.now = moment
        assert (await billing.plan(), (await billing.overview()).plan.name) == (plan, plan)
    assert billing.provider.calls == calls


async def test_resumed_subscription_does_not_end(billing):
    await billing.change_to(ENDING)
    await billing.change_to(ACTIVE)
    billing.now = PERIOD_END + timedelta(days=1_000)
    assert await billing.plan() == PRO


async def test_longer_paying_subscription_of_two_counts(billing):
    second = replace(ENDING, id="sub_2", current_period_end=PERIOD_END + timedelta(days=1))
    await billing.change_to(ENDING, second)
    billing.now = PERIOD_END
    assert await billing.plan() == PRO
    assert (await billing.overview()).subscription == second
    billing.advance(days=1)
    assert await billing.plan() == BASIC


@pytest.mark.parametrize(("plan", "state"), [(BASIC, ACTIVE), (PRO, CANCELED), (PRO, ENDING)])
async def test_operators_plan_wins_over_payments_and_survives_events(billing, plan, state):
    await billing.override(plan)
    await billing.change_to(state)
    await billing.receive_and_process(None)
    billing.now = PERIOD_END
    assert await billing.plan() is plan
    await billing.change_to(CANCELED)
    await billing.change_to(ACTIVE)
    assert await billing.plan() is plan


async def test_removing_the_operators_plan_applies_the_current_payments(billing):
    await billing.override(BASIC)
    await billing.override(None)
    assert await billing.plan() == PRO
    await billing.override(PRO)
    await billing.change_to(CANCELED)
    await billing.override(None)
    assert await billing.plan() == BASIC
