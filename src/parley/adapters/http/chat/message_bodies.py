"""Bodies of requests and responses about messages."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar.params import PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType

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
from parley.core.chat.tokens import TokenUsage

ModelName = Annotated[
    str, Meta(max_length=200), described("One of GET /models; null for the default model", MODEL, format="model")
]


Content = Annotated[
    str,
    Meta(min_length=1, max_length=MESSAGE_CHARACTERS),
    described("The text of the message", "Where is it warm in May?", pattern=STORABLE),
]


class NewMessage(Struct, forbid_unknown_fields=True):
    """A message from the user. `model` replaces the chatroom's model for this reply."""

    content: Content
    model: ModelName | None = None
    parent_id: (
        Annotated[
            UUID, described("The reply to go on from; null to begin anew; left out: the chatroom's head", REPLY_ID)
        ]
        | UnsetType
        | None
    ) = UNSET


class EditedMessage(Struct, forbid_unknown_fields=True):
    """Another version of a user's message. `model` replaces the chatroom's model for its reply."""

    content: Content
    model: ModelName | None = None


class Regeneration(Struct, forbid_unknown_fields=True):
    """The wish for another reply. `model` replaces the chatroom's model for it."""

    model: ModelName | None = None


class NewHead(Struct, forbid_unknown_fields=True):
    """The wish to show another branch."""

    message_id: Annotated[UUID, described("A message of the branch", MESSAGE_ID)]


class ReplyUsage(Struct):
    """Tokens as counted by the model's provider; null what it did not count."""

    input_tokens: Annotated[int | None, described("Input tokens", 6)]
    output_tokens: Annotated[int | None, described("Output tokens, those of reasoning included", 8)]
    cached_input_tokens: Annotated[int | None, described("Input tokens that the provider had in its cache", None)]
    reasoning_tokens: Annotated[int | None, described("Output tokens of reasoning", None)]


class ReplyError(Struct):
    """Why a reply failed."""

    code: Annotated[str, described("A stable error code for programs", "model_unavailable")]
    detail: Annotated[str, described("An explanation for people", "The model did not answer.")]


class PartBody(Struct):
    """A passage of a message: text, or what the model thought before and between."""

    type: Annotated[Literal["reasoning", "text"], described("Only text is part of `content`", "text")]
    text: Annotated[str, described("The passage", REPLY["content"])]


class FeedbackBody(Struct):
    """What the account thinks of a reply."""

    rating: Annotated[Literal["up", "down"], described("Good or bad", "up")]
    comment: Annotated[str | None, described("Why; null if it was not said", "Short and right.")]


class SiblingsBody(Struct):
    """The messages with the same parent, in order of their creation: versions of a message, or replies to it."""

    index: Annotated[int, Meta(ge=0), described("The index of this message among them, from 0", 0)]
    count: Annotated[int, Meta(ge=1), described("How many they are, this message included", 1)]
    ids: Annotated[list[UUID], described("The ids of those around this message, 50 at most", [REPLY_ID])]


class MessageBody(Struct):
    """A message from the user, which is always completed, or a reply from the model."""

    id: Annotated[UUID, described("The message's id", REPLY_ID)]
    chatroom_id: Annotated[UUID, described("The id of the chatroom", ROOM_ID)]
    role: Annotated[Literal["user", "assistant"], described("The author", "assistant")]
    content: Annotated[
        str, described("The text so far; of a failed reply, the text before the failure", REPLY["content"])
    ]
    parts: Annotated[
        list[PartBody],
        described("What was written, in that order; the parts of type `text` make up `content`", REPLY["parts"]),
    ]
    status: Annotated[
        Literal["completed", "pending", "generating", "failed", "stopped"],
        described("A reply is pending, then generating, then completed, failed or stopped", "completed"),
    ]
    model: Annotated[str | None, described("The model that generates the reply; null for a user's message", MODEL)]
    reply_to: Annotated[
        UUID | None, described("The id of the message that the reply answers; null for a user's message", MESSAGE_ID)
    ]
    parent_id: Annotated[
        UUID | None, described("The id of the message before it on its branch; null for a first message", MESSAGE_ID)
    ]
    siblings: Annotated[SiblingsBody, described("Itself and its alternatives", REPLY["siblings"])]
    finish_reason: Annotated[
        Literal["stop", "length", "content_filter"] | None,
        described(
            "Why the model ended the reply: it was done, it reached a limit of length, or its provider's filter cut it "
            "off or refused; null if the model did not end it",
            "stop",
        ),
    ]
    usage: Annotated[
        ReplyUsage | None, described("Tokens of the reply; null until the model has counted them", REPLY["usage"])
    ]
    error: Annotated[ReplyError | None, described("Why the reply failed; null if it did not", None)]
    feedback: Annotated[FeedbackBody | None, described("Your rating of the reply; null without one", None)]
    created_at: Annotated[datetime, described("When the message was accepted", "2026-11-21T09:30:00Z")]
    completed_at: Annotated[
        datetime | None, described("When the message or reply ended; null until then", "2026-11-21T09:30:01Z")
    ]


class MessagePageBody(Struct):
    """Messages, oldest first; the next page has older ones."""

    items: Annotated[list[MessageBody], described("The messages of this page, oldest first", [MESSAGE, REPLY])]
    next_cursor: NextCursor


class AcceptedBody(Struct):
    """The accepted message and its pending reply."""

    message: Annotated[MessageBody, described("The accepted message", MESSAGE)]
    reply: Annotated[MessageBody, described("The pending reply", PENDING_REPLY)]
    stream_url: Annotated[
        str, described("The address of the reply's stream, with a ticket valid for 10 minutes", STREAM_URL)
    ]


RoomId = Annotated[UUID, PathParameter(description="The chatroom's id", examples=example(ROOM_ID))]
MessageId = Annotated[UUID, PathParameter(description="The message's id", examples=example(REPLY_ID))]


def message_body(message: Message) -> MessageBody:
    usage, error, feedback = message.usage, message.error, message.feedback
    return MessageBody(
        id=message.id,
        chatroom_id=message.room_id,
        role=message.role.value,
        content=message.content,
        parts=[PartBody(part.kind.value, part.text) for part in message.parts],
        status=message.status.value,
        model=message.model,
        reply_to=message.reply_to,
        parent_id=message.parent_id,
        siblings=SiblingsBody(message.siblings.index, message.siblings.count, list(message.siblings.ids)),
        finish_reason=None if message.finish_reason is None else message.finish_reason.value,
        usage=None if usage is None else _usage_body(usage),
        error=None if error is None else ReplyError(error.code, error.detail),
        feedback=None if feedback is None else FeedbackBody(feedback.rating.value, feedback.comment),
        created_at=message.created_at,
        completed_at=message.completed_at,
    )


def _usage_body(usage: TokenUsage) -> ReplyUsage:
    return ReplyUsage(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens)
