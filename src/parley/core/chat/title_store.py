"""The port of the titles that models are still to write."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import Claim


@dataclass(frozen=True, slots=True)
class TitleClaim:
    """The right to write the title of a room, as long as its lease is renewed.

    `attempt` counts the claims, `model` is the room's, and `position` that of the reply after which a title was
    requested. `charged_on` is the day whose quota paid that reply: it counts the tokens too.
    """

    room_id: UUID
    position: int
    charged_on: date
    attempt: int
    account_id: UUID
    model: str | None


class Titles(Protocol):
    """Titles to be written, one at most for a room. Leases and delays are timed by the database's clock.

    Writes by a claim carry its attempt: those of an overtaken claim change nothing and return so. When its account
    names a room, or the room is deleted, its title is no longer to be written.
    """

    async def request(self, reply: Claim) -> None:
        """Let a title be written after this reply, unless the room has another name or one is to be written already.

        Locks the room against deletion, so it comes before what locks the reply.
        """

    async def claim(self, room_id: UUID, *, lease: float) -> TitleClaim | None:
        """Lease the title and increment its attempt, in one statement. None if there is none that is due."""

    async def renew(self, claim: TitleClaim, *, lease: float) -> bool:
        """Extend the lease to `lease` seconds from now. False if the claim was overtaken or the title is gone."""

    async def postpone(self, claim: TitleClaim, *, seconds: float) -> bool:
        """End the lease; the title is due in `seconds`."""

    async def end(self, claim: TitleClaim, title: str | None) -> bool:
        """Make the title the room's name, if that is still the first words; None: they stay. Either is final."""

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        """Up to `limit` rooms whose titles have been due for `seconds`, the longest first."""
