"""Prices of models: the operator's, those that come with the library, and none for what nobody knows."""

import pytest
from genai_prices.data_snapshot import get_snapshot

from parley.adapters.models.prices import KnownPrices, Price
from parley.core.chat.tokens import Spent

MILLION = 1_000_000
OPENAI = {"openai": "https://api.openai.com/v1", "mine": "http://127.0.0.1:8000/v1"}


async def test_own_price_comes_first_and_counts_cached_input_apart():
    prices = KnownPrices(OPENAI, {"openai/gpt-5": Price(2, 10, 0.5), "mine/a": Price(1, 3)})
    spent = Spent(MILLION, MILLION)
    assert await prices.cost("openai/gpt-5", spent, cached=MILLION // 2) == (1 + 0.25 + 10) * 10**9
    assert await prices.cost("mine/a", spent, cached=MILLION // 2) == 4 * 10**9
    assert await prices.cost("mine/a", Spent(10, 0), cached=99) == 10 * 1_000


async def test_price_is_that_of_the_address_that_is_asked():
    spent = Spent(1_000, 100)
    assert (await KnownPrices(OPENAI, {}).cost("openai/gpt-5-mini", spent) or 0) > 0
    elsewhere = KnownPrices({"openai": "http://127.0.0.1:8000/v1"}, {})
    assert await elsewhere.cost("openai/gpt-5-mini", spent) is None


async def test_prices_are_those_of_the_package():
    assert await KnownPrices(OPENAI, {}).cost("openai/gpt-5", Spent(1, 1)) is not None
    assert not get_snapshot().from_auto_update


async def test_cached_input_is_cheaper():
    prices = KnownPrices(OPENAI, {})
    whole = await prices.cost("openai/gpt-5-mini", Spent(1_000, 0))
    cached = await prices.cost("openai/gpt-5-mini", Spent(1_000, 0), cached=900)
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


@pytest.mark.parametrize("model", ["mine/a", "openai/never-heard-of", "nobody/gpt-5"])
async def test_unknown_price_is_none(model):
    assert await KnownPrices(OPENAI, {}).cost(model, Spent(1, 1)) is None


async def test_nothing_costs_nothing():
    assert await KnownPrices(OPENAI, {}).cost("mine/a", Spent()) == 0
