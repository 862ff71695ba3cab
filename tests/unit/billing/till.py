"""A payment provider whose state a test sets, and whose answers it can hold back."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from parley.core.billing.errors import EventInvalid, PaymentsRefused, PaymentsUnavailable
from parley.core.billing.model import Checkout, ProviderEvent, ReturnAddresses, Subscription

SIGNATURE = "signed by the till"
UPDATED = "customer.subscription.updated"

_Answer = TypeVar("_Answer")


@dataclass
class Gate:
    """Where one answer waits: the question was answered at `reached` and comes back when `opened`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class Till:
    """`error` is raised by every call, `refused` are ids about which it refuses to say anything.

    `asked` are the calls in their order, `onces` what the pages were opened with.
    """

    def __init__(self) -> None:
        self.error: type[PaymentsUnavailable | PaymentsRefused] | None = None
        self.refused: set[str] = set()
        self.customers: dict[UUID, str] = {}
        self.kept: dict[str, Subscription] = {}
        self.asked: list[tuple[str, str]] = []
        self.onces: list[str] = []
        self._gates: deque[Gate] = deque()

    def has(self, *subscriptions: Subscription) -> None:
        """What the provider says of these from now on."""
        self.kept |= {each.id: each for each in subscriptions}

    def hold(self) -> Gate:
        """The next look or new customer that no other gate holds is answered as things are by then, and comes late."""
        gate = Gate()
        self._gates.append(gate)
        return gate

    def count(self, call: str) -> int:
        return Counter(name for name, _ in self.asked)[call]

    async def create_customer(self, account_id: UUID, *, email: str | None, mobile_number: str | None) -> str:
        await self._ask("create_customer", str(email or mobile_number))
        return await self._late(self.customers.setdefault(account_id, f"cus_{account_id.int}"))

    def owns(self, customer_id: str) -> bool:
        return "another" not in customer_id

    async def check(self) -> None: ...

    async def open_checkout(
        self, customer_id: str, *, account_id: UUID, back: ReturnAddresses, once: str, now: datetime
    ) -> Checkout:
        del now
        await self._ask("open_checkout", customer_id)
        self.onces.append(once)
        return Checkout(f"https://pay.test/{account_id.int}/{once}?back={back.paid}", once)

    async def open_portal(self, customer_id: str, *, back: ReturnAddresses) -> str:
        await self._ask("open_portal", customer_id)
        return f"https://pay.test/{customer_id}?back={back.portal}"

    async def subscription(self, subscription_id: str) -> Subscription | None:
        await self._ask("subscription", subscription_id)
        return await self._late(self.kept.get(subscription_id))

    async def subscriptions(self, customer_id: str) -> list[Subscription]:
        await self._ask("subscriptions", customer_id)
        return await self._late([each for each in self.kept.values() if each.customer_id == customer_id])

    async def erase_customer(self, customer_id: str) -> None:
        await self._ask("erase_customer", customer_id)
        self.kept = {each.id: each for each in self.kept.values() if each.customer_id != customer_id}

    def read_event(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        del now
        if signature != SIGNATURE:
            raise EventInvalid
        event_id, kind, customer_id, subscription_id = body.decode().split("|")
        return ProviderEvent(event_id, kind, customer_id or None, subscription_id or None)

    async def close(self) -> None: ...

    async def _ask(self, name: str, about: str) -> None:
        self.asked.append((name, about))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if about in self.refused:
            raise PaymentsRefused

    async def _late(self, answer: _Answer) -> _Answer:
        if self._gates:
            gate = self._gates.popleft()
            gate.reached.set()
            await gate.opened.wait()
        return answer


def body_of(event: ProviderEvent) -> bytes:
    return "|".join((event.id, event.kind, event.customer_id or "", event.subscription_id or "")).encode()
