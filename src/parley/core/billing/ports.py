"""What the billing module needs from outside besides its storage. Times are aware and in UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.billing.model import Checkout, Price, ProviderEvent, ReturnAddresses, Subscription


@dataclass(frozen=True, slots=True)
class Offer:
    """What a checkout page offers: a recurring price, the days that it is free at first, and where it leads back."""

    price: str
    trial_days: int
    return_to: ReturnAddresses


class PaymentProvider(Protocol):
    """The service that takes the money. Its state of a subscription is the truth; ours is a copy.

    Every call ends within 12 seconds. Raises PaymentsUnavailable when a later try may succeed, PaymentsRefused when
    an operator must correct the settings first.
    """

    async def create_customer(
        self, account_id: UUID, *, email: str | None, mobile_number: str | None, replaces: str = ""
    ) -> str:
        """Create a customer and return its id. Repeated calls with these arguments within a day return the same id.

        `replaces` is the account's customer that the provider does not know any more, if there was one.
        """

    def recognizes(self, customer_id: str) -> bool:
        """Whether the id has the form that this provider issues; the database may hold those of another provider."""

    async def price(self, price_id: str) -> Price | None:
        """The price with that id; None if there is none, or it is not recurring."""

    async def open_checkout(
        self, customer_id: str, offer: Offer, *, account_id: UUID, idempotency_key: str, now: datetime
    ) -> Checkout:
        """Open a page on which the customer subscribes.

        Calls with the same key within a day return the same page while it is open. `account_id` is stored in the
        metadata of the resulting subscription. Other pages that the customer has open can then not be paid any more:
        two of them would be two subscriptions. Raises CustomerUnknown; AlreadySubscribed if one was paid meanwhile.
        """

    async def open_portal(self, customer_id: str, *, return_to: ReturnAddresses) -> str:
        """Open a page on which the customer manages the subscription; returns its address. Raises CustomerUnknown."""

    async def subscription(self, subscription_id: str) -> Subscription | None:
        """The subscription as it is now, without `past_due_since`; None for an unknown id."""

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        """All subscriptions of the customer, ended ones too while the provider keeps them.

        Empty for an unknown or erased customer.
        """

    async def erase_customer(self, customer_id: str) -> None:
        """Delete the customer, which cancels its subscriptions at once. A no-op for an unknown customer."""

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """Check the signature and parse the event.

        Raises EventInvalid for any body that the provider did not sign within 300 seconds of `now`, or that is no
        event. An event without an object, such as one that names its object by an address, has neither id.
        """

    async def close(self) -> None:
        """Close open connections; the provider cannot be used afterwards."""


class EventQueue(Protocol):
    async def put(self, event_id: UUID, /) -> None:
        """Hint that the event is to be processed. A hint may be lost or repeated; failing to put it raises nothing."""
