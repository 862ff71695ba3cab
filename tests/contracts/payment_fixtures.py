"""The payment providers under contract, each with the customer's hand on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from parley.adapters.payments.stripe import StripePayments
from parley.core.billing.model import Checkout, ReturnAddresses, SubscriptionStatus
from parley.core.billing.ports import PaymentProvider
from tests.servers.stripe_account import KEY, PRICE, SECRET, StripeAccount
from tests.servers.stripe_server import StripeServer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACCOUNT = UUID("01970000-0000-7000-8000-000000000001")
ANOTHER = UUID("01970000-0000-7000-8000-000000000002")
EMAIL, MOBILE = "meera@example.com", "+919876543210"
BACK = ReturnAddresses("https://app.example/paid", "https://app.example/cancelled?from=pay", "https://app.example/me")

# A webhook's raw body and its signature header.
Signed = tuple[bytes, str]


@dataclass
class Till:
    """A provider, what it is told is the time, and the statuses that `change` can give to a subscription."""

    provider: PaymentProvider
    now: datetime
    statuses: frozenset[SubscriptionStatus]

    async def subscribe(self, checkout: Checkout) -> list[Signed]:
        """The customer pays on that page. The events that the provider sends for it."""
        raise NotImplementedError

    async def change(self, subscription_id: str, **state: Any) -> list[Signed]:
        """`state` has `status`, one of `statuses`, or `cancel_at_period_end`. The events for it."""
        raise NotImplementedError

    async def customer(self, account_id: UUID = ACCOUNT) -> str:
        return await self.provider.create_customer(account_id, email=EMAIL, mobile_number=None)

    async def open(self, customer_id: str, *, once: str = "once", account_id: UUID = ACCOUNT) -> Checkout:
        return await self.provider.open_checkout(customer_id, account_id=account_id, back=BACK, once=once, now=self.now)

    async def subscribed(self, customer_id: str, *, once: str = "once", account_id: UUID = ACCOUNT) -> str:
        """The id of a new subscription of that customer."""
        told = await self.subscribe(await self.open(customer_id, once=once, account_id=account_id))
        events = [self.provider.read_event(*signed, self.now) for signed in told]
        return next(event.subscription_id for event in events if event.subscription_id is not None)


@dataclass
class StripeTill(Till):
    server: StripeServer
    account: StripeAccount

    async def subscribe(self, checkout: Checkout) -> list[Signed]:
        return self.account.complete(checkout.session_id)

    async def change(self, subscription_id: str, **state: Any) -> list[Signed]:
        return self.account.change(subscription_id, **state)


@asynccontextmanager
async def stripe(*, key: str = KEY, price: str = PRICE, seconds: float = 12.0) -> AsyncIterator[StripeTill]:
    account = StripeAccount(clock=lambda: NOW)
    async with StripeServer(account).running() as server:
        provider = StripePayments(key, SECRET, price, f"{server.url}/", seconds)
        try:
            yield StripeTill(provider, NOW, frozenset(SubscriptionStatus), server, account)
        finally:
            await provider.close()
