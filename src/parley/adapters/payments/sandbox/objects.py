"""The sandbox's stored objects, as JSON, and how subscriptions change with time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from parley.core.billing.model import ReturnAddresses, Subscription, SubscriptionStatus
from parley.core.billing.sandbox import PageState

MONTH, YEAR = timedelta(days=30), timedelta(days=365)


class SandboxState(Protocol):
    """Stores texts by id, each for a customer. Every call is a separate transaction. Raises Unavailable."""

    async def add(self, object_id: str, customer_id: str, body: str) -> bool:
        """False, with nothing changed, if the id is known."""

    async def get(self, object_id: str) -> str | None: ...

    async def of_customer(self, customer_id: str) -> list[tuple[str, str]]:
        """The customer's ids and texts, in no particular order."""

    async def replace(self, object_id: str, *, old: str, new: str) -> bool:
        """False, with nothing changed, if the text is not `old`. Of parallel calls exactly one succeeds."""

    async def remove_customer(self, customer_id: str) -> None:
        """Remove all texts of the customer; a no-op if there are none."""


class CheckoutObject(msgspec.Struct, frozen=True):
    """A checkout page and the resulting subscription, as it was right after the latest of its `changes`.

    `event_kinds` are the kinds of the events which that change sent. `name=` keeps the names of stored fields.
    """

    customer_id: str
    account_id: UUID
    return_to: ReturnAddresses = msgspec.field(name="back")
    expires_at: datetime
    paid_at: datetime | None = None
    subscription: Subscription | None = None
    changes: int = 0
    event_kinds: tuple[str, ...] = msgspec.field(default=(), name="told")
    price: str = ""
    trial_days: int = 0

    def state(self, now: datetime) -> PageState:
        if self.subscription is not None:
            return PageState.PAID
        return PageState.OPEN if now < self.expires_at else PageState.EXPIRED


class PortalObject(msgspec.Struct, frozen=True):
    customer_id: str
    return_address: str = msgspec.field(name="back")
    expires_at: datetime


def to_text(stored: CheckoutObject | PortalObject) -> str:
    return msgspec.json.encode(stored).decode()


def at_time(subscription: Subscription, now: datetime) -> Subscription:
    """The subscription at `now`: it has ended with its period, or was renewed for each period that has passed."""
    end = subscription.current_period_end
    if subscription.status is SubscriptionStatus.CANCELED or end is None or now < end:
        return subscription
    if subscription.cancel_at_period_end:
        return replace(subscription, status=SubscriptionStatus.CANCELED)
    period = period_of(*subscription.prices)
    return replace(
        subscription,
        # A trial ends with its period, which is not paid for.
        status=SubscriptionStatus.ACTIVE if subscription.status is SubscriptionStatus.TRIALING else subscription.status,
        current_period_end=end + period * ((now - end) // period + 1),
    )


def period_of(price: str = "", *_: str) -> timedelta:
    return YEAR if "year" in price else MONTH
