"""The webhooks module over in-memory stores, with clocks and endpoints that the test controls."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.core.outgoing_events import EventKind, OutgoingEvent, Webhooks
from parley.core.webhooks import Endpoint, WebhooksPorts
from parley.core.webhooks.circuit import Circuit
from parley.core.webhooks.deliver import deliver_due, tidy_deliveries
from parley.core.webhooks.model import DeliveryRecord
from parley.core.webhooks.ports import EndpointFailed
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.webhooks import FakeWebhooksUnitOfWork

HOOKS, CRM = "hooks.example.com-12345678", "crm.example.com-87654321"
START = datetime(2026, 3, 14, 12, tzinfo=UTC)


@dataclass
class ScriptedSender:
    """Fails as `failure` says, or as the next of `failures`; with `gate` it waits until that is set."""

    sent: list[tuple[UUID, bytes, datetime]] = field(default_factory=list)
    failure: EndpointFailed | None = None
    failures: list[EndpointFailed | None] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def send(self, event_id: UUID, body: bytes, *, at: datetime) -> None:
        self.sent.append((event_id, body, at))
        if self.gate is not None:
            await self.gate.wait()
        failure = self.failures.pop(0) if self.failures else self.failure
        if failure is not None:
            raise failure

    async def check(self) -> str:
        return "answers"

    async def close(self) -> None: ...

    @property
    def ids(self) -> list[UUID]:
        return [event_id for event_id, _, _ in self.sent]


@dataclass
class NotingMeter:
    notes: list[tuple[str, ...]] = field(default_factory=list)

    def delivered(self, endpoint: str) -> None:
        self.notes.append(("delivered", endpoint))

    def postponed(self, endpoint: str) -> None:
        self.notes.append(("postponed", endpoint))

    def failed(self, endpoint: str, kind: EventKind, event_id: UUID, reason: str) -> None:
        self.notes.append(("failed", endpoint, kind.value, str(event_id), reason))

    def paused(self, endpoint: str, seconds: float, reason: str) -> None:
        self.notes.append(("paused", endpoint, f"{seconds:g}", reason))

    def resumed(self, endpoint: str) -> None:
        self.notes.append(("resumed", endpoint))


class WebhooksEnvironment:
    """`now` is the time of the module, of its database and of its circuits."""

    def __init__(self, *endpoints: str) -> None:
        self.now = START
        self.database = FakeDatabase(lambda: self.now)
        self.senders = {name: ScriptedSender() for name in endpoints or (HOOKS,)}
        self.meter = NotingMeter()
        self._numbers = itertools.count(1)
        self.ports = self.another_process()

    def another_process(self) -> WebhooksPorts:
        def monotonic() -> float:
            return (self.now - START).total_seconds()

        return WebhooksPorts(
            uow=FakeWebhooksUnitOfWork(self.database),
            endpoints={name: Endpoint(sender, Circuit(clock=monotonic)) for name, sender in self.senders.items()},
            meter=self.meter,
            now=lambda: self.now,
            jitter=lambda: 0.0,
        )

    @property
    def sender(self) -> ScriptedSender:
        return self.senders[HOOKS]

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)

    def new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    async def store(self, count: int = 1) -> list[OutgoingEvent]:
        """Store so many events for every endpoint."""
        webhooks = Webhooks(endpoints=tuple(self.senders))
        events = [
            OutgoingEvent(self.new_id(), EventKind.REPLY_COMPLETED, UUID(int=0), self.now, {"model": "a/b"})
            for _ in range(count)
        ]
        async with FakeAccountsUnitOfWork(self.database)() as unit:
            for event in events:
                await unit.outgoing_events.add(webhooks.deliveries(event, self.new_id))
            await unit.commit()
        return events

    async def deliver(self, endpoint: str = HOOKS, *, ports: WebhooksPorts | None = None) -> int:
        return await deliver_due(ports or self.ports, endpoint)

    async def tidy(self) -> int:
        return await tidy_deliveries(self.ports)

    async def records(self) -> Sequence[DeliveryRecord]:
        async with self.ports.uow(read_only=True) as unit:
            return await unit.deliveries.page(status=None, before=None, limit=100)

    async def record(self) -> DeliveryRecord:
        [record] = await self.records()
        return record
