"""Up to when a subscription makes the plan pro."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.billing.model import FOREVER, SubscriptionStatus
from tests.unit.billing.desk import ACTIVE, BEGIN, GRACE, PERIOD_END

GOOD = {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING}
BAD = set(SubscriptionStatus) - GOOD - {SubscriptionStatus.PAST_DUE}
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
@pytest.mark.parametrize("status", sorted(GOOD))
def test_good_subscription_pays_for_ever_unless_it_ends_with_its_period(status, grace):
    good = replace(ACTIVE, status=status)
    assert good.pays_until(grace) == FOREVER
    assert replace(good, cancel_at_period_end=True).pays_until(grace) == PERIOD_END
    assert replace(good, cancel_at_period_end=True, current_period_end=None).pays_until(grace) == FOREVER


@ENDING
@GRACES
def test_subscription_past_due_pays_as_long_as_grace_lasts(grace, ending):
    late = replace(ACTIVE, status=SubscriptionStatus.PAST_DUE, cancel_at_period_end=ending)
    assert late.pays_until(grace) is None
    assert replace(late, past_due_since=BEGIN).pays_until(grace) == BEGIN + grace


@ENDING
@GRACES
@pytest.mark.parametrize("status", sorted(BAD))
def test_no_other_subscription_pays(status, grace, ending):
    ended = replace(ACTIVE, status=status, cancel_at_period_end=ending)
    assert ended.pays_until(grace) is None
    assert replace(ended, past_due_since=BEGIN).pays_until(grace) is None
