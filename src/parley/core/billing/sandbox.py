"""The payment sandbox as its pages see it: their content and the actions of their buttons. Times are aware and UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

from parley.core.billing.model import ReturnAddresses, Subscription


class PageState(Enum):
    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """`price` is the provider's id; empty for a page of a version that knew one price."""

    session_id: str
    state: PageState
    expires_at: datetime
    return_to: ReturnAddresses
    price: str
    trial_days: int


@dataclass(frozen=True, slots=True)
class PortalPage:
    """`subscription` is the one that the buttons change, None if there never was one."""

    subscription: Subscription | None
    return_address: str


class SignedEvent(NamedTuple):
    """A webhook's body and its signature header."""

    body: bytes
    signature: str


class SandboxActions(Protocol):
    """The actions of the buttons. Each returns the events of its change.

    A repeat changes nothing and returns the same events. All raise CheckoutNotFound for an unknown or expired page.
    """

    async def read_checkout(self, session_id: str) -> CheckoutPage:
        """What the checkout page shows."""

    async def pay(self, session_id: str) -> list[SignedEvent]:
        """Start the subscription. Raises CheckoutNotFound also for a page that expired unpaid."""

    async def cancel_checkout(self, session_id: str) -> str:
        """The address to return to without paying; the page stays open. Raises CheckoutNotFound unless it is open."""

    async def read_portal(self, token: str) -> PortalPage:
        """What the portal page shows."""

    async def cancel(self, token: str, *, at_once: bool) -> list[SignedEvent]:
        """End the subscription, at once or with its period. A no-op, as the rest, on a subscription that has ended."""

    async def resume(self, token: str) -> list[SignedEvent]:
        """Revoke a cancellation at the period's end."""

    async def change_price(self, token: str, price: str) -> list[SignedEvent]:
        """Pay another price from now on, at once, as the portal of a real provider offers it."""

    async def end_trial(self, token: str) -> list[SignedEvent]:
        """End the days that are free, as if they had passed."""

    async def fail_payment(self, token: str) -> list[SignedEvent]:
        """Make the subscription past due, as if the card had been declined."""

    async def pay_open_invoice(self, token: str) -> list[SignedEvent]:
        """Pay what is past due."""
