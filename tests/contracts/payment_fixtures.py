"""The payment providers under contract, each with a harness that acts as the customer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from parley.adapters.payments.stripe import StripePayments
from parley.core.billing.model import Checkout, ReturnAddresses, SubscriptionStatus
from parley.core.billing.ports import Offer, PaymentProvider
from tests.servers.stripe_account import KEY, PRICE, PRICES, SECRET, StripeAccount
from tests.servers.stripe_server import StripeServer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACCOUNT = UUID("01970000-0000-7000-8000-000000000001")
ANOTHER = UUID("01970000-0000-7000-8000-000000000002")
EMAIL, MOBILE = "meera@example.com", "+919876543210"
RETURN_TO = ReturnAddresses(
    "https://app.example/paid", "https://app.example/cancelled?from=pay", "https://app.example/me"
)

# A webhook's raw body and its signature header.
Signed = tuple[bytes, str]


@dataclass
class Harness:
    """A provider, its time, and the statuses that `change` can give to a subscription."""

    provider: PaymentProvider
    now: datetime
    statuses: frozenset[SubscriptionStatus]

    async def pay(self, checkout: Checkout) -> list[Signed]:
        """Pay on that page; returns the provider's events."""
        raise NotImplementedError

    async def change(self, subscription_id: str, **state: Any) -> list[Signed]:
        """Change the subscription; returns the provider's events.

        `state` has `status`, one of `statuses`, `cancel_at_period_end`, or `price`.
        """
        raise NotImplementedError

    async def new_customer(self, account_id: UUID = ACCOUNT) -> str:
        return await self.provider.create_customer(account_id, email=EMAIL, mobile_number=None)

    async def open_checkout(
        self, customer_id: str, *, key: str = "key", account_id: UUID = ACCOUNT, price: str = PRICE
    ) -> Checkout:
        return await self.provider.open_checkout(
            customer_id, Offer(price, 0, RETURN_TO), account_id=account_id, idempotency_key=key, now=self.now
        )

    async def new_subscription(self, customer_id: str, *, key: str = "key", account_id: UUID = ACCOUNT) -> str:
        """Subscribe the customer; returns the subscription's id."""
        signed_events = await self.pay(await self.open_checkout(customer_id, key=key, account_id=account_id))
        events = [self.provider.read_event(*signed, self.now) for signed in signed_events]
        return next(event.subscription_id for event in events if event.subscription_id is not None)


@dataclass
class StripeHarness(Harness):
    server: StripeServer
    account: StripeAccount

    async def pay(self, checkout: Checkout) -> list[Signed]:
        return self.account.complete(checkout.session_id)

    async def change(self, subscription_id: str, **state: Any) -> list[Signed]:
        return self.account.change(subscription_id, **state)


@asynccontextmanager
async def stripe(*, key: str = KEY, seconds: float = 12.0) -> AsyncIterator[StripeHarness]:
    account = StripeAccount(clock=lambda: NOW)
    async with StripeServer(account).running() as server:
        provider = StripePayments(key, SECRET, [*PRICES], api_base=f"{server.url}/", seconds=seconds)
        try:
            yield StripeHarness(provider, NOW, frozenset(SubscriptionStatus), server, account)
        finally:
            await provider.close()
