"""Plans as data: which one counts, and which prices pay for it."""

import pytest

from parley.core.plans import BASIC, PRO, Plan, Plans, default_plans

FREE = Plan(name="free", title="Free", messages_per_day=3)
PLUS = Plan(name="plus", title="Plus", prices=("plus_month", "plus_year"))
TEAM = Plan(name="team", title="Team", prices=("team_month",))
PLANS = Plans([FREE, PLUS, TEAM])


def test_plans_stand_in_the_operators_order():
    assert [plan.name for plan in PLANS] == ["free", "plus", "team"]
    assert PLANS.free is FREE


def test_the_last_plan_that_is_paid_for_counts():
    assert PLANS.paid_by(["plus_year"]) is PLUS
    assert PLANS.paid_by(["team_month", "plus_month"]) is TEAM
    assert PLANS.paid_by(["of another product", "plus_month"]) is PLUS
    assert PLANS.paid_by(["of another product"]) is None


def test_an_unknown_name_is_the_free_plan():
    assert PLANS.get("gold") is None
    assert PLANS.named("gold") is PLANS.named(None) is FREE
    assert PLANS.named("team") is TEAM


@pytest.mark.parametrize(
    "plans",
    [
        [],
        [PLUS, TEAM],
        [FREE, Plan(name="other", title="Other")],
        [FREE, PLUS, Plan(name="plus", title="Again", prices=("other",))],
        [FREE, PLUS, Plan(name="other", title="Other", prices=("plus_year",))],
        [FREE, Plan(name="other", title="Other", prices=("twice", "twice"))],
    ],
)
def test_plans_that_contradict_each_other_are_refused(plans):
    with pytest.raises(ValueError, match="plan"):
        Plans(plans)


def test_an_installation_that_names_no_plans_has_two():
    plans = default_plans(basic_daily_limit=7, pro_prices=["price_pro"])
    assert [(plan.name, plan.messages_per_day, plan.prices) for plan in plans] == [
        (BASIC, 7, ()),
        (PRO, None, ("price_pro",)),
    ]
    # Subscriptions that the version with one price stored.
    assert plans.paid_by([]) is plans.named(PRO)
    assert PLANS.paid_by([]) is None
