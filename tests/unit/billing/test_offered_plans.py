"""The plans on offer: how often the provider is asked for their prices."""

import asyncio

import pytest

from parley.core.billing.errors import PaymentsUnavailable
from parley.core.billing.model import Price
from parley.core.billing.offered_plans import FRESH_FOR, RETRY_AFTER, OfferedPlan
from tests.fakes.plans import BASIC_PLAN, PRO_PLAN, PRO_PRICE

PRICE = Price(PRO_PRICE, 900, "usd", "month")


@pytest.fixture
def offered(billing):
    billing.provider.prices = {PRO_PRICE: PRICE}
    return billing.ports.offered_plans


async def test_prices_are_read_once_while_they_are_fresh(billing, offered):
    plans = (OfferedPlan(BASIC_PLAN, ()), OfferedPlan(PRO_PLAN, (PRICE,)))
    assert await asyncio.gather(*(offered.read() for _ in range(5))) == [plans] * 5
    assert billing.provider.count("price") == 1
    billing.now += FRESH_FOR
    await offered.read()
    assert billing.provider.count("price") == 2


@pytest.mark.parametrize("known", [False, True])
async def test_one_caller_waits_for_a_provider_that_fails(billing, offered, known):
    if known:
        await offered.read()
        billing.now += FRESH_FOR
    asked = billing.provider.count("price")
    billing.provider.error = PaymentsUnavailable
    answers = await asyncio.gather(*(offered.read() for _ in range(5)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {tuple if known else PaymentsUnavailable}
    assert billing.provider.count("price") == asked + 1
    billing.provider.error = None
    billing.now += RETRY_AFTER
    assert (await offered.read())[1].prices == (PRICE,)
