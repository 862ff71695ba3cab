"""What the sandbox keeps, as JSON, and what time does to it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from parley.core.billing.model import ReturnAddresses, Subscription, SubscriptionStatus
from parley.core.billing.sandbox import PageState

PERIOD = timedelta(days=30)


class SandboxState(Protocol):
    """Texts by id, each of a customer. Every call is a transaction of its own. Raises Unavailable."""

    async def add(self, object_id: str, customer_id: str, body: str) -> bool:
        """False, with nothing changed, when the id is known."""

    async def get(self, object_id: str) -> str | None: ...

    async def of_customer(self, customer_id: str) -> list[tuple[str, str]]:
        """Ids and texts, in no order."""

    async def replace(self, object_id: str, *, old: str, new: str) -> bool:
        """False, with nothing changed, when the text is not `old`. Of parallel calls one finds its `old`."""

    async def remove_customer(self, customer_id: str) -> None: ...


class CheckoutObject(msgspec.Struct, frozen=True):
    """A page to pay on and the subscription that came of it, as it was right after the latest of its `changes`.

    `event_kinds` are the kinds of event that this change sent.
    """

    customer_id: str
    account_id: UUID
    back: ReturnAddresses
    expires_at: datetime
    paid_at: datetime | None = None
    subscription: Subscription | None = None
    changes: int = 0
    event_kinds: tuple[str, ...] = msgspec.field(default=(), name="told")

    def state(self, now: datetime) -> PageState:
        if self.subscription is not None:
            return PageState.PAID
        return PageState.OPEN if now < self.expires_at else PageState.EXPIRED


class PortalObject(msgspec.Struct, frozen=True):
    customer_id: str
    back: str
    expires_at: datetime


def text_of(kept: CheckoutObject | PortalObject) -> str:
    return msgspec.json.encode(kept).decode()


def as_of(subscription: Subscription, now: datetime) -> Subscription:
    """What the time since the latest change has made of it: it is over, or some periods further."""
    end = subscription.current_period_end
    if subscription.status is SubscriptionStatus.CANCELED or end is None or now < end:
        return subscription
    if subscription.cancel_at_period_end:
        return replace(subscription, status=SubscriptionStatus.CANCELED)
    return replace(subscription, current_period_end=end + PERIOD * ((now - end) // PERIOD + 1))
