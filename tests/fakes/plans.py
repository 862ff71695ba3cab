"""The two plans of an installation that names none."""

from parley.core.plans import PRO, Plans, default_plans

PRO_PRICE = "price_pro"


def plans_of(basic_limit: int) -> Plans:
    """With so many messages a day on the basic plan."""
    return default_plans(basic_daily_limit=basic_limit, pro_prices=[PRO_PRICE])


PLANS = plans_of(5)

BASIC_PLAN, PRO_PLAN = PLANS.free, PLANS.named(PRO)
