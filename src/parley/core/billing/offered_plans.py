"""The plans on offer, with prices as the payment provider has them."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from parley.core.billing.errors import PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Price
from parley.core.billing.ports import PaymentProvider
from parley.core.plans import Plan, Plans
from parley.core.ports import Clock

# Prices change rarely, and never under one id: only whether they are active.
FRESH_FOR = timedelta(minutes=10)
# Nobody waits for a provider that has just failed: everyone may read the plans, and reads wait for each other.
ASK_AGAIN_AFTER = timedelta(seconds=10)


_Failure = type[PaymentsUnavailable | PaymentsRefused]


@dataclass(frozen=True, slots=True)
class OfferedPlan:
    """A plan and those of its prices that the provider sells now."""

    plan: Plan
    prices: tuple[Price, ...]


class OfferedPlans:
    """Reads the plans' prices from the provider, at most once in FRESH_FOR in this process.

    After a failure it is not asked again for ASK_AGAIN_AFTER.
    """

    def __init__(self, plans: Plans, provider: PaymentProvider, *, now: Clock) -> None:
        self._plans = plans
        self._provider = provider
        self._now = now
        self._reading = asyncio.Lock()
        self._read: tuple[datetime, tuple[OfferedPlan, ...]] | None = None
        self._failed: tuple[datetime, _Failure] | None = None

    async def read(self) -> tuple[OfferedPlan, ...]:
        """Raises PaymentsUnavailable or PaymentsRefused, unless earlier prices are known, which are used then."""
        async with self._reading:
            if self._read is not None and self._now() - self._read[0] < FRESH_FOR:
                return self._read[1]
            if self._failed is None or self._now() - self._failed[0] >= ASK_AGAIN_AFTER:
                await self._ask_again()
            if self._read is not None:
                return self._read[1]
            raise self._failed[1] if self._failed else PaymentsUnavailable

    async def _ask_again(self) -> None:
        try:
            asked = await self._ask()
        except (PaymentsUnavailable, PaymentsRefused) as failure:
            self._failed = self._now(), type(failure)
        else:
            self._read, self._failed = (self._now(), asked), None

    async def _ask(self) -> tuple[OfferedPlan, ...]:
        offered = []
        for plan in self._plans:
            prices = [await self._provider.price(price) for price in plan.prices]
            offered.append(OfferedPlan(plan, tuple(price for price in prices if price is not None and price.is_active)))
        return tuple(offered)
