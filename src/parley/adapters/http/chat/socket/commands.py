"""What a client sends over a room's WebSocket: JSON objects, one a message, whose `type` names the command."""

import re
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.auth import LONGEST_HEADER
from parley.adapters.http.chat.message_bodies import Content, ModelName
from parley.core.chat.model import IDEMPOTENCY_KEY_CHARACTERS, EventId
from parley.core.chat.room_events import RoomPosition
from parley.core.errors import DomainError, InvalidInput, Kind

# The client's own name for a command, which its answer repeats.
CommandId = Annotated[str, Meta(max_length=100)]


class Auth(Struct, tag="auth", forbid_unknown_fields=True):
    """The first command: an access token or API key, and the last event that the client has. Later: a newer token."""

    token: Annotated[str, Meta(min_length=1, max_length=LONGEST_HEADER)]
    last_event_id: Annotated[str, Meta(max_length=100)] | None = None
    id: CommandId | None = None


class SendMessage(Struct, tag="send", forbid_unknown_fields=True):
    """As POST /chatroom/{id}/message."""

    content: Content
    model: ModelName | None = None
    parent_id: UUID | UnsetType | None = UNSET
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=IDEMPOTENCY_KEY_CHARACTERS)] | None = None
    id: CommandId | None = None


class Stop(Struct, tag="stop", forbid_unknown_fields=True):
    """As POST /chatroom/{id}/messages/{message_id}/stop."""

    message_id: UUID
    id: CommandId | None = None


class Ping(Struct, tag="ping", forbid_unknown_fields=True):
    """Answered at once."""

    id: CommandId | None = None


Command = Auth | SendMessage | Stop | Ping


class _AnyCommand(Struct):
    id: CommandId | None = None


class MalformedCommand(DomainError):
    """What arrived is no JSON object in UTF-8."""

    code = "malformed_json"
    kind = Kind.INVALID
    detail = "A message must be one JSON object in UTF-8, sent as text."


_decoder = msgspec.json.Decoder(Command)
_id_decoder = msgspec.json.Decoder(_AnyCommand)
_FIELD = re.compile(r"(.*) - at `\$\.(.+)`", re.DOTALL)
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `(.+?)`")
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})-(\d{1,9})", re.ASCII)


def read_command(text: str) -> Command:
    """Raises MalformedCommand, InvalidInput."""
    try:
        command: Command = _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise MalformedCommand from error
    return command


def id_of(text: str) -> str | None:
    """The id of a command that cannot be read, so that its client learns which one was refused."""
    try:
        return _id_decoder.decode(text).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def read_position(event_id: str | None) -> RoomPosition | None:
    """Raises InvalidInput for text that is no id of a room's event."""
    if not event_id:
        return None
    parts = _POSITION.fullmatch(event_id)
    if parts is None:
        raise InvalidInput("last_event_id", "is not the event_id of an event of a chatroom, such as 4.4.1-42")
    accepted, reply, attempt, offset = (int(part) for part in parts.groups())
    return RoomPosition(accepted, reply, EventId(attempt, offset))


def _invalid(message: str) -> InvalidInput:
    if named := _NAMED.match(message):
        return InvalidInput(named[1], "is not a known field" if "unknown" in message else "is required")
    field = _FIELD.fullmatch(message)
    if field is not None:
        return InvalidInput(field[2], field[1])
    return InvalidInput("type", "must be auth, send, stop or ping")
