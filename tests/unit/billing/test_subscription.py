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


@ENDING
@GRACES
def test_past_due_subscription_pays_during_the_grace(grace, ending):
    past_due = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE, cancel_at_period_end=ending)
    assert past_due.pays_until(grace) is None
    assert replace(past_due, past_due_since=START).pays_until(grace) == START + grace


@ENDING
@GRACES
@pytest.mark.parametrize("status", sorted(NOT_PAYING))
def test_no_other_subscription_pays(status, grace, ending):
    ended = replace(ACTIVE, status=status, cancel_at_period_end=ending)
    assert ended.pays_until(grace) is None
    assert replace(ended, past_due_since=START).pays_until(grace) is None
