"""Messages as they are taken and given, and what names them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar.params import PathParameter
from msgspec import Meta, Struct

from parley.adapters.http.openapi.fields import (
    MESSAGE,
    MESSAGE_ID,
    MODEL,
    PENDING_REPLY,
    REPLY,
    REPLY_ID,
    ROOM_ID,
    STORABLE,
    STREAM_URL,
    described,
    example,
)
from parley.adapters.http.pagination import NextCursor
from parley.core.chat.model import MESSAGE_CHARACTERS, Message

ModelName = Annotated[
    str, Meta(max_length=200), described("One of GET /models; null for the default", MODEL, format="model")
]


class NewMessage(Struct, forbid_unknown_fields=True):
    """What the user says. `model` writes this one reply instead of the room's."""

    content: Annotated[
        str,
        Meta(min_length=1, max_length=MESSAGE_CHARACTERS),
        described("What is said", "Where is it warm in May?", pattern=STORABLE),
    ]
    model: ModelName | None = None


class ReplyUsage(Struct):
    """What the model counted."""

    input_tokens: Annotated[int, described("What it read", 6)]
    output_tokens: Annotated[int, described("What it wrote", 8)]


class ReplyError(Struct):
    """Why a reply failed."""

    code: Annotated[str, described("For programs", "model_unavailable")]
    detail: Annotated[str, described("For a person to read", "The model did not answer.")]


class MessageBody(Struct):
    """A message of the user or a reply of the model. Only a reply is ever anything but completed."""

    id: Annotated[UUID, described("The message's id", REPLY_ID)]
    chatroom_id: Annotated[UUID, described("Where it was said", ROOM_ID)]
    role: Annotated[Literal["user", "assistant"], described("Who said it", "assistant")]
    content: Annotated[str, described("The text so far; of a failed reply what there was", REPLY["content"])]
    status: Annotated[
        Literal["completed", "pending", "generating", "failed", "stopped"],
        described("A reply waits, is written, and ends in one of three ways", "completed"),
    ]
    model: Annotated[str | None, described("What writes the reply; null for a message of the user", MODEL)]
    reply_to: Annotated[
        UUID | None, described("The message that it answers; null for a message of the user", MESSAGE_ID)
    ]
    usage: Annotated[ReplyUsage | None, described("What the model counted, once it has", REPLY["usage"])]
    error: Annotated[ReplyError | None, described("Why a reply failed; null for any other", None)]
    created_at: Annotated[datetime, described("When it was accepted", "2026-11-21T09:30:00Z")]
    completed_at: Annotated[datetime | None, described("When it ended; null until then", "2026-11-21T09:30:01Z")]


class MessagePageBody(Struct):
    """Messages, oldest first; the cursor leads to older ones."""

    items: Annotated[list[MessageBody], described("The messages of this page, oldest first", [MESSAGE, REPLY])]
    next_cursor: NextCursor


class AcceptedBody(Struct):
    """What was said, and the reply to come."""

    message: Annotated[MessageBody, described("What was said", MESSAGE)]
    reply: Annotated[MessageBody, described("Its reply, which is to be written", PENDING_REPLY)]
    stream_url: Annotated[str, described("Where to watch it; holds a ticket of 10 minutes", STREAM_URL)]


RoomId = Annotated[UUID, PathParameter(description="The chatroom's id", examples=example(ROOM_ID))]
MessageId = Annotated[UUID, PathParameter(description="The message's id", examples=example(REPLY_ID))]


def message_body(message: Message) -> MessageBody:
    usage, error = message.usage, message.error
    return MessageBody(
        id=message.id,
        chatroom_id=message.room_id,
        role=message.role.value,
        content=message.content,
        status=message.status.value,
        model=message.model,
        reply_to=message.reply_to,
        usage=None if usage is None else ReplyUsage(usage.input_tokens or 0, usage.output_tokens or 0),
        error=None if error is None else ReplyError(error.code, error.detail),
        created_at=message.created_at,
        completed_at=message.completed_at,
    )
