"""A payment provider whose state a test sets and whose answers it can delay."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from parley.core.billing.errors import CustomerUnknown, EventInvalid, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Checkout, Price, ProviderEvent, ReturnAddresses, Subscription
from parley.core.billing.ports import Offer

SIGNATURE = "a valid signature"
UPDATED = "customer.subscription.updated"

_Answer = TypeVar("_Answer")


@dataclass
class Gate:
    """Delays one answer: it was computed when `reached` is set, and is returned when `opened` is set."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class ScriptedProvider:
    """`error` is raised by every call; calls about ids in `refused` raise PaymentsRefused.

    No page opens for customers in `unknown`.

    `calls` are the calls in order, each with its subject; `idempotency_keys` those of the checkouts.
    """

    def __init__(self) -> None:
        self.error: type[PaymentsUnavailable | PaymentsRefused] | None = None
        self.refused: set[str] = set()
        self.unknown: set[str] = set()
        self.customers: dict[UUID, str] = {}
        self.by_id: dict[str, Subscription] = {}
        self.calls: list[tuple[str, str]] = []
        self.idempotency_keys: list[str] = []
        self._gates: deque[Gate] = deque()
        self.prices: dict[str, Price] = {}
        self.offers: list[Offer] = []

    def set(self, *subscriptions: Subscription) -> None:
        """Add these subscriptions, or replace those with their ids."""
        self.by_id |= {each.id: each for each in subscriptions}

    def delay_next(self) -> Gate:
        """Delay the next read or new customer that no earlier gate delays."""
        gate = Gate()
        self._gates.append(gate)
        return gate

    def count(self, call: str) -> int:
        return Counter(name for name, _ in self.calls)[call]

    async def create_customer(
        self, account_id: UUID, *, email: str | None, mobile_number: str | None, replaces: str = ""
    ) -> str:
        await self._call("create_customer", str(email or mobile_number))
        new = f"{replaces}_new" if replaces else f"cus_{account_id.int}"
        self.customers[account_id] = new
        return await self._delayed(new)

    def recognizes(self, customer_id: str) -> bool:
        return "another" not in customer_id

    async def price(self, price_id: str) -> Price | None:
        await self._call("price", price_id)
        return self.prices.get(price_id)

    async def open_checkout(
        self, customer_id: str, offer: Offer, *, account_id: UUID, idempotency_key: str, now: datetime
    ) -> Checkout:
        del now
        await self._call("open_checkout", customer_id)
        self.idempotency_keys.append(idempotency_key)
        url = f"https://pay.test/{account_id.int}/{idempotency_key}?back={offer.return_to.paid}"
        self.offers.append(offer)
        return Checkout(url, idempotency_key)

    async def open_portal(self, customer_id: str, *, return_to: ReturnAddresses) -> str:
        await self._call("open_portal", customer_id)
        return f"https://pay.test/{customer_id}?back={return_to.portal}"

    async def subscription(self, subscription_id: str) -> Subscription | None:
        await self._call("subscription", subscription_id)
        return await self._delayed(self.by_id.get(subscription_id))

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        await self._call("subscriptions", customer_id)
        return await self._delayed([each for each in self.by_id.values() if each.customer_id == customer_id])

    async def erase_customer(self, customer_id: str) -> None:
        await self._call("erase_customer", customer_id)
        self.by_id = {each.id: each for each in self.by_id.values() if each.customer_id != customer_id}

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        del now
        if signature != SIGNATURE:
            raise EventInvalid
        event_id, kind, customer_id, subscription_id = body.decode().split("|")
        return ProviderEvent(event_id, kind, customer_id or None, subscription_id or None)

    async def close(self) -> None: ...

    async def _call(self, name: str, subject: str) -> None:
        self.calls.append((name, subject))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if subject in self.refused:
            raise PaymentsRefused
        if name.startswith("open_") and subject in self.unknown:
            raise CustomerUnknown

    async def _delayed(self, answer: _Answer) -> _Answer:
        if self._gates:
            gate = self._gates.popleft()
            gate.reached.set()
            await gate.opened.wait()
        return answer


def body_of(event: ProviderEvent) -> bytes:
    return "|".join((event.id, event.kind, event.customer_id or "", event.subscription_id or "")).encode()
