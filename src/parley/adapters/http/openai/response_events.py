"""A reply as the events of a streamed response, or as a whole one."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from parley.adapters.http.openai.chunks import Events
from parley.adapters.http.openai.errors import failure
from parley.adapters.http.openai.response_bodies import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseBody,
    ResponseRequest,
    ResponseUsage,
)
from parley.adapters.http.streaming.frames import KEEP_ALIVE, data_frame
from parley.core.chat.model import FinishReason, Message, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.prompts import AcceptedPrompt
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent
from parley.core.chat.tokens import TokenUsage

_EVENTS = {PartKind.TEXT: "response.output_text", PartKind.REASONING: "response.reasoning_text"}
_ENDED_EARLY = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}


class StreamedResponse:
    """The events of one response. A later attempt closes the open item as incomplete and opens another."""

    def __init__(self, request: ResponseRequest, reply: Message) -> None:
        self._request, self._reply = request, reply
        self._sequence = 0
        self._index = 0
        # A list, since a string that grows by every word would be copied for every word.
        self._open: tuple[PartKind, list[str]] | None = None
        self._output: list[dict[str, Any]] = []

    async def frames(self, first: ReplyEvent, events: Events) -> AsyncGenerator[bytes, None]:
        """Frames from the event `first` on. The last one is the ended response, or an `error`."""
        begun = {"response": begun_response(self._request, self._reply)}
        async with aclosing(events):
            yield self._event("response.created", begun) + self._event("response.in_progress", begun)
            event: AcceptedPrompt | ReplyEvent | None = first
            while event is not None:
                match event:
                    case AttemptStarted():
                        yield b"".join(self._close("incomplete")) or KEEP_ALIVE
                        self._output = []
                    case Delta(_, text, kind):
                        yield b"".join(self._delta(text, kind))
                    case ReplyEnded(_, message) if message.status is not Status.STOPPED:
                        yield b"".join(self._end(message))
                        return
                    case KeepAlive():
                        yield KEEP_ALIVE
                event = await anext(events, None)
            _, body = failure(None)
            yield self._event("error", {"code": body.error.code, "message": body.error.message, "param": None})

    def _delta(self, text: str, kind: PartKind) -> Iterator[bytes]:
        if self._open is None or self._open[0] is not kind:
            yield from self._close("completed")
            self._open = (kind, [])
            item = _item(self._reply, self._index, kind, None, "in_progress")
            yield self._event("response.output_item.added", {"output_index": self._index, "item": item})
            yield self._event("response.content_part.added", self._part(kind) | {"part": _content(kind, "")})
        self._open[1].append(text)
        yield self._event(f"{_EVENTS[kind]}.delta", self._part(kind) | {"delta": text} | _no_logprobs(kind))

    def _close(self, status: str) -> Iterator[bytes]:
        if self._open is None:
            return
        kind, text = self._open[0], "".join(self._open[1])
        item = _item(self._reply, self._index, kind, text, status)
        yield self._event(f"{_EVENTS[kind]}.done", self._part(kind) | {"text": text} | _no_logprobs(kind))
        yield self._event("response.content_part.done", self._part(kind) | {"part": _content(kind, text)})
        yield self._event("response.output_item.done", {"output_index": self._index, "item": item})
        self._output.append(item)
        self._open, self._index = None, self._index + 1

    def _end(self, message: Message) -> Iterator[bytes]:
        ended = whole_response(self._request, message)
        yield from self._close("completed" if ended.status == "completed" else "incomplete")
        ended.output = self._output
        yield self._event(f"response.{ended.status}", {"response": ended})

    def _part(self, kind: PartKind) -> dict[str, Any]:
        return {"item_id": _item_id(self._reply, self._index, kind), "output_index": self._index, "content_index": 0}

    def _event(self, name: str, fields: dict[str, Any]) -> bytes:
        data = {"type": name, "sequence_number": self._sequence} | fields
        self._sequence += 1
        return b"event: %s\n" % name.encode() + data_frame(data)


def begun_response(request: ResponseRequest, reply: Message) -> ResponseBody:
    return ResponseBody(
        id=f"resp_{reply.id.hex}",
        created_at=int(reply.created_at.timestamp()),
        model=reply.model or "",
        status="in_progress",
        instructions=request.instructions,
        temperature=request.temperature,
        top_p=request.top_p,
        max_output_tokens=request.max_output_tokens,
    )


def whole_response(request: ResponseRequest, reply: Message) -> ResponseBody:
    """The response after the end of its reply, which was not stopped."""
    ended = msgspec.structs.replace(begun_response(request, reply), usage=_usage(reply.usage))
    if reply.status is Status.FAILED:
        status, body = failure(reply.error)
        ended.status = "failed"
        code = "server_error" if status >= 500 else "invalid_prompt"  # noqa: PLR2004
        ended.error = {"code": code, "message": body.error.message}
        return ended
    early = _ENDED_EARLY.get(reply.finish_reason or FinishReason.STOP)
    ended.status = "incomplete" if early else "completed"
    ended.incomplete_details = {"reason": early} if early else None
    last = len(reply.parts) - 1
    ended.output = [
        _item(reply, index, part.kind, part.text, ended.status if index == last else "completed")
        for index, part in enumerate(reply.parts)
    ]
    return ended


def _item_id(reply: Message, index: int, kind: PartKind) -> str:
    return f"{'msg' if kind is PartKind.TEXT else 'rs'}_{reply.id.hex}_{index}"


def _item(reply: Message, index: int, kind: PartKind, text: str | None, status: str) -> dict[str, Any]:
    content = [] if text is None else [_content(kind, text)]
    item: dict[str, Any] = {"id": _item_id(reply, index, kind), "status": status, "content": content}
    if kind is PartKind.REASONING:
        return item | {"type": "reasoning", "summary": []}
    return item | {"type": "message", "role": "assistant"}


def _content(kind: PartKind, text: str) -> dict[str, Any]:
    if kind is PartKind.REASONING:
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _no_logprobs(kind: PartKind) -> dict[str, Any]:
    return {"logprobs": []} if kind is PartKind.TEXT else {}


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
