"""The events that a reader of a room receives, and the position that each leaves the reader at."""

from dataclasses import dataclass, replace

from parley.core.chat.follow_reply import BEGINNING
from parley.core.chat.model import EventId, Message
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded


@dataclass(frozen=True, slots=True)
class RoomPosition:
    """How far a reader has read a room, so that any process can resume from nothing but the database.

    It knows the messages up to the position `accepted`, and the events of all replies before the position `reply`. Of
    the reply there it has read up to `event`. As a room's replies are written one after the other, that is all.
    """

    accepted: int
    reply: int
    event: EventId = BEGINNING

    def __str__(self) -> str:
        return f"{self.accepted}.{self.reply}.{self.event}"


@dataclass(frozen=True, slots=True)
class RoomOpened:
    """The position at which the reader begins. Always the first event."""

    position: RoomPosition


@dataclass(frozen=True, slots=True)
class MessageAccepted:
    """A message was accepted, by whatever process, and a reply to it; both as they were then.

    `reply` is None for a message that was given for the record, by a user or in the name of a model.
    """

    position: RoomPosition
    message: Message
    reply: Message | None


@dataclass(frozen=True, slots=True)
class ReplyProgress:
    """An event of one of the room's replies."""

    position: RoomPosition
    reply: Message
    event: AttemptStarted | Delta | ReplyEnded


@dataclass(frozen=True, slots=True)
class RoomQuiet:
    """There was no other event for a while; a client is sent something all the same, or proxies would disconnect it."""


RoomEvent = RoomOpened | MessageAccepted | ReplyProgress | RoomQuiet


def position_after(position: RoomPosition, reply: Message, event: AttemptStarted | Delta | ReplyEnded) -> RoomPosition:
    """Where a reader is after an event of that reply."""
    if isinstance(event, ReplyEnded):
        return replace(position, reply=reply.position + 1, event=BEGINNING)
    return replace(position, reply=reply.position, event=event.id)
