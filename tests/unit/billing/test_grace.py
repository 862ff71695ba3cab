"""What time alone does to a plan, and what the operator's word does."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import Plan, SubscriptionStatus
from tests.unit.billing.desk import ACTIVE, BEGIN, CANCELED, MIRA, PAST_DUE, PERIOD_END, UNPAID

INSTANT = timedelta(microseconds=1)
ENDING = replace(ACTIVE, cancel_at_period_end=True)


@pytest.fixture
async def desk(desk):
    await desk.know(MIRA)
    await desk.becomes(ACTIVE)
    return desk


async def past_due_since(desk):
    return (await desk.standing()).subscription.past_due_since


async def test_past_due_is_pro_for_7_days_and_basic_from_then_on(desk):
    await desk.becomes(PAST_DUE)
    for span, plan in (({"days": 6, "hours": 23, "minutes": 59}, Plan.PRO), ({"minutes": 1}, Plan.BASIC)):
        desk.later(**span)
        assert (await desk.plan(), (await desk.standing()).plan) == (plan, plan)
    desk.now -= INSTANT
    assert await desk.plan() is Plan.PRO
    desk.later(days=100)
    assert await desk.plan() is Plan.BASIC
    assert desk.till.count("subscription") == 2


async def test_repeated_events_do_not_lengthen_the_grace(desk):
    await desk.becomes(PAST_DUE)
    for _ in range(6):
        desk.later(days=1)
        await desk.hear()
        await desk.hear(None)
        assert await past_due_since(desk) == BEGIN
    desk.later(hours=23, minutes=59)
    assert await desk.plan() is Plan.PRO
    desk.later(minutes=1)
    assert await desk.plan() is Plan.BASIC
    await desk.hear()
    assert await desk.plan() is Plan.BASIC


@pytest.mark.parametrize("between", [ACTIVE, UNPAID, CANCELED])
async def test_grace_begins_anew_after_having_been_something_else(desk, between):
    await desk.becomes(PAST_DUE)
    desk.later(days=6)
    await desk.becomes(between)
    assert await past_due_since(desk) is None
    desk.later(days=6)
    again = desk.now
    await desk.becomes(PAST_DUE)
    assert await past_due_since(desk) == again
    desk.later(days=6, hours=23)
    assert await desk.plan() is Plan.PRO
    desk.later(hours=1)
    assert await desk.plan() is Plan.BASIC


async def test_without_grace_past_due_is_basic_at_once(desk):
    desk.grace = timedelta(0)
    await desk.becomes(PAST_DUE)
    assert (await desk.standing()).plan is Plan.BASIC
    await desk.becomes(ACTIVE)
    assert await desk.plan() is Plan.PRO


@pytest.mark.parametrize("status", sorted(SubscriptionStatus))
async def test_only_these_statuses_are_pro(desk, status):
    await desk.becomes(replace(ACTIVE, status=status))
    pro = {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE}
    assert await desk.plan() is (Plan.PRO if status in pro else Plan.BASIC)


async def test_subscription_that_ends_with_its_period_is_pro_up_to_the_second_without_any_event(desk):
    await desk.becomes(ENDING)
    asked = list(desk.till.asked)
    for moment, plan in ((BEGIN, Plan.PRO), (PERIOD_END - INSTANT, Plan.PRO), (PERIOD_END, Plan.BASIC)):
        desk.now = moment
        assert (await desk.plan(), (await desk.standing()).plan) == (plan, plan)
    assert desk.till.asked == asked


async def test_cancellation_that_was_taken_back_lasts(desk):
    await desk.becomes(ENDING)
    await desk.becomes(ACTIVE)
    desk.now = PERIOD_END + timedelta(days=1_000)
    assert await desk.plan() is Plan.PRO


async def test_of_two_subscriptions_the_one_that_pays_longer_counts(desk):
    second = replace(ENDING, id="sub_2", current_period_end=PERIOD_END + timedelta(days=1))
    await desk.becomes(ENDING, second)
    desk.now = PERIOD_END
    assert await desk.plan() is Plan.PRO
    assert (await desk.standing()).subscription == second
    desk.later(days=1)
    assert await desk.plan() is Plan.BASIC


@pytest.mark.parametrize(("word", "state"), [(Plan.BASIC, ACTIVE), (Plan.PRO, CANCELED), (Plan.PRO, ENDING)])
async def test_operators_word_wins_over_payments_and_survives_events(desk, word, state):
    await desk.override(word)
    await desk.becomes(state)
    await desk.hear(None)
    desk.now = PERIOD_END
    assert await desk.plan() is word
    await desk.becomes(CANCELED)
    await desk.becomes(ACTIVE)
    assert await desk.plan() is word


async def test_without_the_operators_word_payments_count_again_as_they_are_by_then(desk):
    await desk.override(Plan.BASIC)
    await desk.override(None)
    assert await desk.plan() is Plan.PRO
    await desk.override(Plan.PRO)
    await desk.becomes(CANCELED)
    await desk.override(None)
    assert await desk.plan() is Plan.BASIC
