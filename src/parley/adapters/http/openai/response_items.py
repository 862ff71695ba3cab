"""A reply as a whole response, and as the items that conversations consist of."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from parley.adapters.http.openai.errors import failure
from parley.adapters.http.openai.response_bodies import (
    ConversationReference,
    InputTokensDetails,
    OutputTokensDetails,
    ResponseBody,
    ResponseStatus,
    ResponseUsage,
)
from parley.adapters.http.openai.response_ids import conversation_id, message_item_id, response_id
from parley.core.chat.model import FinishReason, Message, Role, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.tokens import TokenUsage

_ENDED_EARLY = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
_STATUSES: dict[Status, ResponseStatus] = {
    Status.PENDING: "in_progress",
    Status.GENERATING: "in_progress",
    Status.COMPLETED: "completed",
    Status.STOPPED: "cancelled",
    Status.FAILED: "failed",
}
# The status of the last item; the others are completed.
_OF_LAST_ITEM = {"completed": "completed", "in_progress": "in_progress"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a response shows besides its reply."""

    settings: ReplySettings
    stored: bool = False


def begun_response(reply: Message, origin: Origin) -> ResponseBody:
    """The response before its reply has any text."""
    settings = origin.settings
    waits = settings.in_background and reply.status is Status.PENDING
    return ResponseBody(
        id=response_id(reply.id),
        created_at=int(reply.created_at.timestamp()),
        model=reply.model or "",
        status="queued" if waits else "in_progress",
        background=settings.in_background,
        store=origin.stored,
        instructions=settings.instructions,
        temperature=settings.options.temperature,
        top_p=settings.options.top_p,
        max_output_tokens=settings.options.max_tokens,
        metadata=dict(settings.metadata),
        conversation=ConversationReference(conversation_id(reply.room_id)) if origin.stored else None,
        previous_response_id=None if settings.after is None else response_id(settings.after),
    )


def whole_response(reply: Message, origin: Origin) -> ResponseBody:
    """The response in the state that the reply is in, with its text so far."""
    response = begun_response(reply, origin)
    if response.status != "queued":
        response.status = _STATUSES[reply.status]
    response.usage = _usage(reply.usage)
    if reply.status is Status.FAILED:
        status, body = failure(reply.error)
        code = "server_error" if status >= 500 else "invalid_prompt"  # noqa: PLR2004
        response.error = {"code": code, "message": body.error.message}
        return response
    early = _ENDED_EARLY.get(reply.finish_reason or FinishReason.STOP)
    if early and reply.status is Status.COMPLETED:
        response.status, response.incomplete_details = "incomplete", {"reason": early}
    response.output = items_of(reply, response.status)
    return response


def items_of(reply: Message, status: str = "completed") -> list[dict[str, Any]]:
    """The items of a reply whose response has that status."""
    last = len(reply.parts) - 1
    of_last = _OF_LAST_ITEM.get(status, "incomplete")
    return [
        item_of(reply.id, index, part.kind, part.text, of_last if index == last else "completed")
        for index, part in enumerate(reply.parts)
    ]


def input_items(message: Message) -> list[dict[str, Any]]:
    """What a model reads of a message: of a reply, only its text."""
    if message.role is Role.ASSISTANT:
        return [item for item in items_of(message) if item["type"] == "message"]
    content = [{"type": "input_text", "text": message.content}]
    item = {"id": message_item_id(message.id), "type": "message", "role": "user", "status": "completed"}
    return [item | {"content": content}]


def item_of(reply_id: UUID, index: int, kind: PartKind, text: str | None, status: str) -> dict[str, Any]:
    content = [] if text is None else [content_of(kind, text)]
    item: dict[str, Any] = {"id": item_id(reply_id, index, kind), "status": status, "content": content}
    if kind is PartKind.REASONING:
        return item | {"type": "reasoning", "summary": []}
    return item | {"type": "message", "role": "assistant"}


def item_id(reply_id: UUID, index: int, kind: PartKind) -> str:
    return f"{'msg' if kind is PartKind.TEXT else 'rs'}_{reply_id.hex}_{index}"


def content_of(kind: PartKind, text: str) -> dict[str, Any]:
    if kind is PartKind.REASONING:
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: TokenUsage | None) -> ResponseUsage | None:
    if usage is None:
        return None
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return ResponseUsage(
        read,
        InputTokensDetails(usage.cached_input_tokens or 0),
        written,
        OutputTokensDetails(usage.reasoning_tokens or 0),
        read + written,
    )
