"""What the webhooks module needs from outside besides its storage."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.outgoing_events import EventKind


class EndpointFailed(Exception):
    """The endpoint did not take the event: any answer but 2xx, or none. The message is for operators, without secrets.

    `retry_after` is the pause in seconds that it asked for. `is_gone` says that it wants no more events (410).
    """

    def __init__(self, message: str, *, retry_after: float | None = None, is_gone: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_gone = is_gone


class WebhookSender(Protocol):
    """Sends to one endpoint. Every call ends within LONGEST_SECONDS."""

    async def send(self, event_id: UUID, body: bytes, *, at: datetime) -> None:
        """Send the signed body once; `at` is the time of this attempt. Raises EndpointFailed."""

    async def check(self) -> str:
        """Ask whether the endpoint answers, without an event; returns what it answered. Raises EndpointFailed."""

    async def close(self) -> None:
        """Close open connections; nothing can be sent afterwards."""


# The recommended timeout of one attempt is 15 to 30 seconds (Standard Webhooks, «Request timeouts»).
LONGEST_SECONDS = 20.0


class DeliveryMeter(Protocol):
    """What operators learn of deliveries, by the endpoint's name. Raises nothing."""

    def delivered(self, endpoint: str) -> None: ...

    def postponed(self, endpoint: str) -> None:
        """An attempt failed, and another one follows."""

    def failed(self, endpoint: str, kind: EventKind, event_id: UUID, reason: str) -> None:
        """The event will not be delivered."""

    def paused(self, endpoint: str, seconds: float, reason: str) -> None:
        """The endpoint gets nothing from this process for that long."""

    def resumed(self, endpoint: str) -> None:
        """A paused endpoint takes events again."""
