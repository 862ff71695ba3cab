"""Counts of the work that waits in the database, for operators; no count concerns a single account."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Waiting:
    """A number of waiting items, and the age in seconds of the oldest; 0.0 if there is none."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """`due` are the replies that a worker could claim now; their age counts from when they became claimable.

    The age of codes counts from when a worker could first have sent them, that of events from when they were received,
    and that of webhook deliveries from when they were stored.
    """

    pending: int
    generating: int
    due: Waiting
    codes: Waiting
    events: Waiting
    customer_erasures: int
    deliveries: Waiting


class BacklogReader(Protocol):
    async def __call__(self) -> Backlog:
        """Query the database; ages are measured with its clock. Raises Unavailable."""
