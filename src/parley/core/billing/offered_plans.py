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
# How long a failure is the answer for everyone: callers would wait for a silent provider one after the other.
RETRY_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class OfferedPlan:
    """A plan and those of its prices that the provider sells now."""

    plan: Plan
    prices: tuple[Price, ...]


class OfferedPlans:
    """Reads the plans' prices from the provider, at most once in FRESH_FOR in this process; see RETRY_AFTER."""

    def __init__(self, plans: Plans, provider: PaymentProvider, *, now: Clock) -> None:
        self._plans = plans
        self._provider = provider
        self._now = now
        self._reading = asyncio.Lock()
        self._read: tuple[OfferedPlan, ...] | None = None
        self._failure: type[PaymentsUnavailable | PaymentsRefused] = PaymentsUnavailable
        self._fresh_until: datetime | None = None

    async def read(self) -> tuple[OfferedPlan, ...]:
        """Raises PaymentsUnavailable or PaymentsRefused, unless earlier prices are known, which are used then."""
        async with self._reading:
            if self._fresh_until is None or self._now() >= self._fresh_until:
                await self._read_again()
            if self._read is None:
                raise self._failure
            return self._read

    async def _read_again(self) -> None:
        try:
            self._read, fresh_for = await self._ask(), FRESH_FOR
        except (PaymentsUnavailable, PaymentsRefused) as failure:
            # The provider's adapter has logged it.
            self._failure, fresh_for = type(failure), RETRY_AFTER
        self._fresh_until = self._now() + fresh_for

    async def _ask(self) -> tuple[OfferedPlan, ...]:
        offered = []
        for plan in self._plans:
            prices = [await self._provider.price(price) for price in plan.prices]
            offered.append(OfferedPlan(plan, tuple(price for price in prices if price is not None and price.is_active)))
        return tuple(offered)
