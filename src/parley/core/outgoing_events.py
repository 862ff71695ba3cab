"""Events for the operator's servers, stored to be delivered by webhook.

An event is stored in the transaction of the change that it reports: there is one if and only if the change is
committed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol
from uuid import UUID


class EventKind(str, Enum):
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_ERASED = "account.erased"
    PLAN_CHANGED = "plan.changed"
    REPLY_COMPLETED = "reply.completed"
    REPLY_FAILED = "reply.failed"
    QUOTA_EXCEEDED = "quota.exceeded"


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """Something that happened to an account at `at`; receivers know a repetition by its `id`.

    `data` and `personal` are sent together, as JSON. An erasure of the account removes `personal` from what is stored.
    """

    id: UUID
    kind: EventKind
    account_id: UUID
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event that is to be delivered to an endpoint, which is named as in `Webhooks`."""

    id: UUID
    endpoint: str
    event: OutgoingEvent


class OutgoingEvents(Protocol):
    """Stores events in the transaction of the change that they report."""

    async def add(self, deliveries: Sequence[NewDelivery]) -> None:
        """Store each, to be delivered after the commit; those of an event that is stored already are ignored."""

    async def has(self, event_id: UUID) -> bool:
        """Whether the event is stored, delivered or not."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The kinds of events that the operator has chosen, and the endpoints' names; without any, nothing is stored.

    `message_text` adds the texts of replies to their events.
    """

    endpoints: tuple[str, ...] = ()
    kinds: frozenset[EventKind] = frozenset(EventKind)
    message_text: bool = False

    def wants(self, kind: EventKind) -> bool:
        return bool(self.endpoints) and kind in self.kinds

    def deliveries(self, event: OutgoingEvent, new_id: Callable[[], UUID]) -> list[NewDelivery]:
        """One for each endpoint; none for a kind that is not wanted."""
        if not self.wants(event.kind):
            return []
        return [NewDelivery(new_id(), endpoint, event) for endpoint in self.endpoints]
