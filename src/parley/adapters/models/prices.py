"""What requests to models cost: prices of the operator's, else those of genai-prices, which come with the package.

That package can also fetch newer prices, which is never asked of it: nothing here uses the network.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.core.chat.tokens import Spent

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

BILLIONTHS = 10**9


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. Without a price for cached input, that costs as much as other input."""

    input: float
    output: float
    cached_input: float | None = None

    def cost(self, spent: Spent, cached: int) -> int:
        """In billionths of a dollar."""
        of_cached = self.input if self.cached_input is None else self.cached_input
        dollars = (spent.input_tokens - cached) * self.input + cached * of_cached + spent.output_tokens * self.output
        return round(dollars * BILLIONTHS / 1_000_000)


class KnownPrices:
    """`addresses` are the providers' by their names: a price is that of the server which is asked, not of a name.

    `own` prices, by `provider/model`, come first. The package is loaded in a thread, when it is first needed.
    """

    def __init__(self, addresses: Mapping[str, str], own: Mapping[str, Price]) -> None:
        self._addresses = addresses
        self._own = own
        self._found: dict[str, tuple[Provider, ModelInfo] | None] = {}

    async def cost(self, model: str, spent: Spent, *, cached: int = 0) -> int | None:
        cached = min(cached, spent.input_tokens)
        if not spent.input_tokens + spent.output_tokens:
            return 0
        if model in self._own:
            return self._own[model].cost(spent, cached)
        if model not in self._found:
            provider, _, name = model.partition("/")
            address = self._addresses.get(provider)
            self._found[model] = None if address is None else await asyncio.to_thread(_listed, name, address)
        found = self._found[model]
        return None if found is None else _listed_cost(*found, spent, cached)


def _listed(model: str, address: str) -> "tuple[Provider, ModelInfo] | None":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415  takes a third of a second

    try:
        return get_snapshot().find_provider_model(model, None, None, address)
    except LookupError:
        return None


def _listed_cost(provider: "Provider", model: "ModelInfo", spent: Spent, cached: int) -> int | None:
    """None for a price that is not one of tokens."""
    from genai_prices import Usage  # noqa: PLC0415  loaded by now

    usage = Usage(input_tokens=spent.input_tokens, cache_read_tokens=cached, output_tokens=spent.output_tokens)
    try:
        return round(model.calc_price(usage, provider).total_price * BILLIONTHS)
    except ValueError:
        return None
