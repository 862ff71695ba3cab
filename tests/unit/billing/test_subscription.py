"""Until when a subscription makes the plan pro."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import FOREVER, SubscriptionStatus
from tests.unit.billing.scenario import ACTIVE, GRACE, PERIOD_END, START

PAYING = {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING}
NOT_PAYING = set(SubscriptionStatus) - PAYING - {SubscriptionStatus.PAST_DUE}
GRACES = pytest.mark.parametrize("grace", [timedelta(0), GRACE])
ENDING = pytest.mark.parametrize("ending", [False, True])


def test_statuses_are_those_of_stripe():
    assert {status.value for status in SubscriptionStatus} == {
        "trialing",
        "active",
        "past_due",
        "canceled",
        "unpaid",
        "incomplete",
        "incomplete_expired",
        "paused",
    }


@GRACES
@pytest.mark.parametrize("status", sorted(PAYING))
def test_active_subscription_pays_forever_unless_it_ends_with_its_period(status, grace):
    active = replace(ACTIVE, status=status)
    assert active.pays_until(grace) == FOREVER
    assert replace(active, cancel_at_period_end=True).pays_until(grace) == PERIOD_END
    assert replace(active, cancel_at_period_end=True, current_period_end=None).pays_until(grace) == FOREVER


@pytest.mark.parametrize("field", ["cancel_at", "price_ended_at"])
@pytest.mark.parametrize("status", sorted(PAYING))
def test_subscription_ends_at_the_earliest_of_its_ends(status, field):
    moment = PERIOD_END + timedelta(days=60)
    ending = replace(ACTIVE, status=status, **{field: moment})
    assert ending.pays_until(GRACE) == moment
    assert (ending.is_running(moment - timedelta(seconds=1)), ending.is_running(moment)) == (True, False)
    assert replace(ending, cancel_at_period_end=True).pays_until(GRACE) == PERIOD_END
    assert replace(ending, price_ended_at=START).pays_until(GRACE) == START


@pytest.mark.parametrize("status", sorted(SubscriptionStatus))
def test_paused_subscription_pays_nothing_and_still_prevents_a_second_one(status):
    paused = replace(ACTIVE, status=status, past_due_since=START, is_paused=True)
    assert paused.pays_until(GRACE) is None
    assert paused.is_running(START) == replace(paused, is_paused=False).is_running(START)


@ENDING
@GRACES
def test_past_due_subscription_pays_during_the_grace(grace, ending):
    past_due = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE, cancel_at_period_end=ending)
    assert past_due.pays_until(grace) is None
    assert replace(past_due, past_due_since=START).pays_until(grace) == START + grace


@GRACES
def test_grace_does_not_outlast_the_end_of_the_subscription(grace):
    since = PERIOD_END - timedelta(hours=1)
    past_due = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE, past_due_since=since, cancel_at_period_end=True)
    assert past_due.pays_until(grace) == min(since + grace, PERIOD_END)


@ENDING
@GRACES
@pytest.mark.parametrize("status", sorted(NOT_PAYING))
def test_no_other_subscription_pays(status, grace, ending):
    ended = replace(ACTIVE, status=status, cancel_at_period_end=ending)
    assert ended.pays_until(grace) is None
    assert replace(ended, past_due_since=START).pays_until(grace) is None
