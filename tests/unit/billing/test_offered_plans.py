"""Reading the plans' prices while the payment provider fails."""

import asyncio

import pytest

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Price
from parley.core.billing.offered_plans import ASK_AGAIN_AFTER, FRESH_FOR
from tests.fakes.plans import PLANS
from tests.unit.billing.scenario import Scenario

PRICES = [price for plan in PLANS for price in plan.prices]


def sold(billing: Scenario) -> None:
    billing.provider.prices = {price: Price(price, 900, "usd", "month") for price in PRICES}


@pytest.mark.parametrize("error", [PaymentsUnavailable, PaymentsRefused])
async def test_many_readers_cost_one_call_to_a_provider_that_fails(billing, error):
    billing.provider.error = error
    plans = billing.ports.offered_plans
    failures = await asyncio.gather(*(plans.read() for _ in range(5)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [error] * 5
    assert billing.provider.count("price") == 1


async def test_a_provider_that_failed_is_asked_again_after_a_while(billing):
    plans = billing.ports.offered_plans
    billing.provider.error = PaymentsUnavailable
    with pytest.raises(PaymentsUnavailable):
        await plans.read()
    billing.provider.error = None
    sold(billing)
    billing.advance(seconds=ASK_AGAIN_AFTER.total_seconds() - 1)
    with pytest.raises(PaymentsUnavailable):
        await plans.read()
    billing.advance(seconds=1)
    assert [price.id for offered in await plans.read() for price in offered.prices] == PRICES


async def test_earlier_prices_are_read_without_waiting_for_a_provider_that_fails(billing):
    plans = billing.ports.offered_plans
    sold(billing)
    earlier = await plans.read()
    billing.advance(seconds=FRESH_FOR.total_seconds())
    billing.provider.error = PaymentsUnavailable
    before = billing.provider.count("price")
    assert [await plans.read() for _ in range(3)] == [earlier] * 3
    assert billing.provider.count("price") == before + 1
