"""What a client asks of one reply besides its message, and the port that stores it."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from parley.core.chat.metadata import Metadata
from parley.core.chat.model_options import ModelOptions


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """They hold for one reply.

    `instructions` come before those of the room. `metadata` are names and values that the client gets back.
    `in_background` is whether it did not want to wait for the answer, `after` the reply that it named to go on from. A
    `forgotten` reply is found only in its room.
    """

    instructions: str | None = None
    options: ModelOptions = ModelOptions()  # noqa: RUF009  immutable
    metadata: Metadata = ()
    in_background: bool = False
    after: UUID | None = None
    forgotten: bool = False


class RepliesSettings(Protocol):
    """The settings of replies; they are gone with their replies. Accounts are not checked."""

    async def get(self, reply_id: UUID) -> ReplySettings:
        """The default ones for a reply without any."""

    async def between(self, room_id: UUID, *, first: int, last: int) -> dict[UUID, ReplySettings]:
        """Those that replies of the room at the positions from `first` to `last` have, by reply."""

    async def save(self, reply_id: UUID, settings: ReplySettings) -> None:
        """Store the settings of an existing reply in place of earlier ones."""
