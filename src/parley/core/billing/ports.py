"""What the billing module needs of the world outside, named by role. Times are aware and UTC."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.billing.model import Checkout, ProviderEvent, ReturnAddresses, Subscription


class PaymentProvider(Protocol):
    """Whoever takes the money. Its word on a subscription is the truth; ours is a copy.

    Every call ends within 12 seconds. Raises PaymentsUnavailable when a later try may succeed, PaymentsRefused when
    somebody must see to the settings first.
    """

    async def create_customer(self, account_id: UUID, *, email: str | None, mobile_number: str | None) -> str:
        """A new customer's id. Calls for one account within a day of each other get the same."""

    def owns(self, customer_id: str) -> bool:
        """Whether the id is of the sort that this provider gives: a database may hold those of another."""

    async def open_checkout(
        self, customer_id: str, *, account_id: UUID, back: ReturnAddresses, once: str, now: datetime
    ) -> Checkout:
        """A page on which the customer subscribes to pro. Calls with the same `once` within a day get the same page.

        `account_id` is written on the subscription that comes of it.
        """

    async def open_portal(self, customer_id: str, *, back: ReturnAddresses) -> str:
        """The address of a page on which the customer manages the subscription."""

    async def subscription(self, subscription_id: str) -> Subscription | None:
        """As it is now, `past_due_since` left out; None when there is none of that id."""

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        """All of the customer, ended ones too, as far as the provider keeps them. A customer that is gone has none."""

    async def erase_customer(self, customer_id: str) -> None:
        """Forget the customer, which cancels what is subscribed at once. A no-op when it is gone."""

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """Raises EventInvalid for what the provider did not sign within the last 300 seconds, whatever its bytes."""

    async def check(self) -> None:
        """Reach the provider with the settings that there are, and change nothing. Raises as all calls do."""

    async def close(self) -> None: ...


class EventQueue(Protocol):
    async def put(self, event_id: UUID, /) -> None:
        """A hint to process that event. It may be lost or repeated; raises nothing when it cannot be put."""
