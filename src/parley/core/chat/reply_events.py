"""The events that a reader of a reply receives."""

from dataclasses import dataclass

from parley.core.chat.model import EventId, Message
from parley.core.chat.parts import PartKind


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The reply as the database has it at the beginning. Always the first event; not sent to clients."""

    message: Message


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt began: a reader clears the text of earlier ones."""

    id: EventId


@dataclass(frozen=True, slots=True)
class Delta:
    """Text or reasoning that continues what was read. `id` is the position after it."""

    id: EventId
    text: str
    kind: PartKind = PartKind.TEXT


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The ended reply as the database has it. Always the last event."""

    id: EventId
    message: Message


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """There was no other event for a while; a client is sent something all the same, or proxies would disconnect it."""


ReplyEvent = Snapshot | AttemptStarted | Delta | ReplyEnded | KeepAlive


def end_of(message: Message) -> EventId:
    """The id of an ended reply's last event: one more than the position after its parts."""
    return EventId(message.attempt, sum(len(part.text) for part in message.parts) + 1)
