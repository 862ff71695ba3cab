"""The port of shared copies of conversations, and what everyone may see of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import FinishReason, Role, Status


@dataclass(frozen=True, slots=True)
class Share:
    """A read-only copy of a branch, for everyone who knows `token`.

    A message never changes once it has ended, so the copy is the position of its last one, 0 if it is empty. `title` is
    the room's name of that time.
    """

    room_id: UUID
    token: str = field(repr=False)
    title: str
    last_position: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SharedMessage:
    """What a copy shows of a message: no ids, times, reasoning, tokens, feedback or other versions."""

    role: Role
    content: str
    status: Status
    model: str | None
    finish_reason: FinishReason | None


class Shares(Protocol):
    """The copies, one of a room at most. A copy goes with its room."""

    async def put(self, share: Share) -> Share:
        """Store the copy in place of an earlier one of the room, whose token it gets; returns it as stored.

        To be called in a unit of work that has locked the room.
        """

    async def of_room(self, room_id: UUID, account_id: UUID) -> Share | None:
        """The room's copy. None without one, and for a room of another account."""

    async def remove(self, room_id: UUID) -> None:
        """Remove the room's copy, if there is one. The account is not checked."""

    async def find(self, token: str) -> Share | None:
        """The copy with that token, of any account."""

    async def last_complete(self, room_id: UUID, account_id: UUID) -> int:
        """The position of the head, or of the message before the first unfinished reply on the branch that is shown.

        0 in an empty room.
        """

    async def messages(self, share: Share, *, skip: int, limit: int) -> list[SharedMessage]:
        """The `limit` messages of the copy that follow the first `skip`, oldest first."""
