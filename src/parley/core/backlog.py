"""What waits in the database, for operators: none of it is about any one account."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and for how many seconds the oldest has; 0.0 when none does."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """`due` are the replies that a worker may claim now: each has waited since that moment, and not since its message.

    Codes have waited since a worker could have taken them, events since they came in.
    """

    pending: int
    generating: int
    due: Waiting
    codes: Waiting
    events: Waiting
    customer_erasures: int


class BacklogReader(Protocol):
    async def __call__(self) -> Backlog:
        """Ask the database now; ages are by its clock. Raises Unavailable."""
