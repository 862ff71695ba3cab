"""Deliveries of events, and when they are tried."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from parley.core.outgoing_events import OutgoingEvent

DAY_SECONDS = 86_400.0
# From the event, or from the operator's request to deliver it again.
RETRY_SECONDS = 3 * DAY_SECONDS
# Of deliveries that have ended, also for the operator to look at and repeat.
MEMORY_SECONDS = 7 * DAY_SECONDS
# The recommended schedule (Standard Webhooks, «Deliverability and reliability»), cut off after RETRY_SECONDS.
DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
# A tenth more at most, so that what failed together is not tried again together.
SPREAD = 0.1


class DeliveryStatus(str, Enum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this worker is to try; `attempt` counts its claims, from 1."""

    id: UUID
    event: OutgoingEvent
    attempt: int


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as the operator sees it. `next_attempt_at` is None unless it is pending."""

    id: UUID
    endpoint: str
    event_id: UUID
    kind: str
    account_id: UUID
    occurred_at: datetime
    status: DeliveryStatus
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None
    ended_at: datetime | None


def retry_delay(attempt: int, *, jitter: float) -> float:
    """Seconds from the failure of that attempt to the next one."""
    return DELAYS[min(attempt, len(DELAYS)) - 1] * (1 + SPREAD * jitter)
