"""The payment sandbox as its pages see it: what is on them, and what their buttons do. Times are aware and UTC."""

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
    session_id: str
    state: PageState
    expires_at: datetime
    back: ReturnAddresses


@dataclass(frozen=True, slots=True)
class PortalPage:
    """`subscription` is the one that the buttons are about, None where there never was one. `back` is an address."""

    subscription: Subscription | None
    back: str


class SignedEvent(NamedTuple):
    """What the webhook takes."""

    body: bytes
    signature: str


class SandboxActions(Protocol):
    """The buttons, each with the events of what it changed. A repeat changes nothing and gives the same events again.

    All raise CheckoutNotFound for a page that is not there, or not any more.
    """

    async def read_checkout(self, session_id: str) -> CheckoutPage: ...

    async def pay(self, session_id: str) -> list[SignedEvent]:
        """Begin the subscription. Raises CheckoutNotFound for a page that has expired unpaid, too."""

    async def leave(self, session_id: str) -> str:
        """The address to go back to without paying; the page stays. Raises CheckoutNotFound unless it is open."""

    async def read_portal(self, token: str) -> PortalPage: ...

    async def cancel(self, token: str, *, at_once: bool) -> list[SignedEvent]:
        """End the subscription, now or with its period. This and the others are no-ops on one that has ended."""

    async def resume(self, token: str) -> list[SignedEvent]:
        """Take back that it ends with its period."""

    async def fail_payment(self, token: str) -> list[SignedEvent]:
        """As if the card had been declined: the subscription is past due."""

    async def pay_open_invoice(self, token: str) -> list[SignedEvent]:
        """Pay what is past due."""
