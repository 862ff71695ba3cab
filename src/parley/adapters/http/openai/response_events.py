"""A reply as the events of a streamed response."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from parley.adapters.http.openai.chunks import Events
from parley.adapters.http.openai.errors import failure
from parley.adapters.http.openai.response_items import (
    Origin,
    begun_response,
    content_of,
    item_id,
    item_of,
    whole_response,
)
from parley.adapters.http.openai.response_numbers import CREATED, IN_PROGRESS, QUEUED, Position, Step
from parley.adapters.http.streaming.frames import KEEP_ALIVE, data_frame
from parley.core.chat.model import EventId, Message, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.prompts import AcceptedPrompt
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent

_EVENTS = {PartKind.TEXT: "response.output_text", PartKind.REASONING: "response.reasoning_text"}
# The events of an item before its text.
_BEGINNING = (Step.ITEM_ADDED, Step.PART_ADDED)
# Clients know no event for a cancelled response.
_LAST_EVENTS = {"cancelled": "response.incomplete"}


class StreamedResponse:
    """The events of one response behind the sequence number `after`.

    A later attempt closes the open item as incomplete and opens another, and so does an end of a reply that has less
    than what `after` says. Events are given from the beginning of an attempt: which items an earlier process has sent
    follows from them and from `after`.
    """

    def __init__(self, reply: Message, origin: Origin, *, after: int | None = None) -> None:
        self._reply, self._origin = reply, origin
        self._last = -1 if after is None else after
        # What the client has of the attempt, until the events have caught up with that.
        self._missed = None if after is None else Position.of(after)
        self._attempt = self._missed.attempt if self._missed else 0
        self._offset = 0
        # The parts of the attempt, of which the first is the item with index `_first`. Lists, since a string that
        # grows by every word would be copied for every word.
        self._parts: list[tuple[PartKind, list[str]]] = []
        self._first = 0
        self._open = False

    async def frames(self, first: ReplyEvent | None, events: Events) -> AsyncGenerator[bytes, None]:
        """Frames from the event `first` on. The last one is the ended response, or an `error`."""
        async with aclosing(events):
            yield b"".join(self._begin_response()) or KEEP_ALIVE
            event: AcceptedPrompt | ReplyEvent | None = first or await anext(events, None)
            while event is not None:
                match event:
                    case AttemptStarted(position):
                        frame = b"".join(self._begin_attempt(position.attempt))
                    case Delta():
                        frame = b"".join(self._delta(event))
                    case ReplyEnded(_, message) if message.status is not Status.STOPPED or self._origin.stored:
                        yield b"".join(self._end(message)) or KEEP_ALIVE
                        return
                    case KeepAlive():
                        frame = KEEP_ALIVE
                    case _:
                        frame = b""
                if frame:
                    yield frame
                event = await anext(events, None)
            _, body = failure(None)
            error = {"code": body.error.code, "message": body.error.message, "param": None}
            # It has the number of the event before it, behind which a client goes on.
            yield _frame("error", max(self._last, 0), error)

    def _begin_response(self) -> Iterator[bytes]:
        begun = begun_response(self._reply, self._origin)
        yield self._numbered(CREATED, "response.created", {"response": begun})
        if begun.status == "queued":
            yield self._numbered(QUEUED, "response.queued", {"response": begun})
        else:
            yield self._in_progress()

    def _in_progress(self) -> bytes:
        begun = begun_response(replace(self._reply, status=Status.GENERATING), self._origin)
        return self._numbered(IN_PROGRESS, "response.in_progress", {"response": begun})

    def _begin_attempt(self, attempt: int) -> Iterator[bytes]:
        if self._last < IN_PROGRESS:
            yield self._in_progress()
        if attempt <= self._attempt:
            return
        if self._missed is not None:
            yield from self._lose(self._missed)
        else:
            yield from self._close("incomplete")
            self._first += len(self._parts)
        self._attempt, self._offset, self._parts = attempt, 0, []

    def _lose(self, missed: Position) -> Iterator[bytes]:
        """Close what the client has open of a text that nobody knows any more."""
        self._missed = None
        self._first = missed.index + 1
        if missed.step not in (Step.ITEM_DONE, Step.ITEM_LOST):
            item = item_of(self._reply.id, missed.index, missed.kind, None, "incomplete")
            number = replace(missed, step=Step.ITEM_LOST).number
            done = {"output_index": missed.index, "item": item}
            yield self._numbered(number, "response.output_item.done", done)

    def _delta(self, delta: Delta) -> Iterator[bytes]:
        yield from self._begin_attempt(delta.id.attempt)
        text = delta.text if self._missed is None else self._behind(self._missed, delta)
        if not text:
            return
        if not self._open or self._parts[-1][0] is not delta.kind:
            yield from self._close("completed")
            yield from self._add_item(delta.kind)
        self._take(text, delta.kind)
        self._offset = delta.id.offset
        fields = self._part() | {"delta": text} | _no_logprobs(delta.kind)
        yield self._event(Step.DELTA, f"{_EVENTS[delta.kind]}.delta", fields)

    def _behind(self, missed: Position, delta: Delta) -> str:
        """What the client does not have of a delta, of an attempt that it has until `missed`."""
        if delta.id.attempt < missed.attempt:
            return ""
        is_lost = missed.step is Step.ITEM_LOST
        known = delta.text if is_lost else delta.text[: missed.offset - self._offset]
        self._take(known, delta.kind)
        self._offset += len(known)
        text = delta.text[len(known) :]
        # An item that has begun has text, or is lost.
        if self._offset == missed.offset and not is_lost and (text or missed.step not in _BEGINNING):
            self._catch_up(missed)
        return text

    def _take(self, text: str, kind: PartKind) -> None:
        if text and (not self._parts or self._parts[-1][0] is not kind):
            self._parts.append((kind, []))
        if text:
            self._parts[-1][1].append(text)

    def _catch_up(self, missed: Position) -> None:
        """Number the items as the client has them."""
        self._missed = None
        is_next = missed.step in _BEGINNING
        self._first = missed.index - len(self._parts) + (0 if is_next else 1)
        # What is closed again is not sent again.
        self._open = bool(self._parts)

    def _add_item(self, kind: PartKind) -> Iterator[bytes]:
        self._parts.append((kind, []))
        self._open = True
        item = item_of(self._reply.id, self._index, kind, None, "in_progress")
        yield self._event(Step.ITEM_ADDED, "response.output_item.added", {"output_index": self._index, "item": item})
        yield self._event(Step.PART_ADDED, "response.content_part.added", self._part() | {"part": content_of(kind, "")})

    def _close(self, status: str) -> Iterator[bytes]:
        if not self._open:
            return
        kind, text = self._parts[-1][0], "".join(self._parts[-1][1])
        item = item_of(self._reply.id, self._index, kind, text, status)
        done = self._part() | {"text": text} | _no_logprobs(kind)
        yield self._event(Step.TEXT_DONE, f"{_EVENTS[kind]}.done", done)
        yield self._event(Step.PART_DONE, "response.content_part.done", self._part() | {"part": content_of(kind, text)})
        yield self._event(Step.ITEM_DONE, "response.output_item.done", {"output_index": self._index, "item": item})
        self._open = False

    def _repeat(self, missed: Position) -> Iterator[bytes]:
        """Close what the client has of more than the reply ended with, and send what it has as other items."""
        parts, self._parts, self._offset = self._parts, [], 0
        yield from self._lose(missed)
        for kind, texts in parts:
            for text in texts:
                yield from self._delta(Delta(EventId(self._attempt, self._offset + len(text)), text, kind))

    def _end(self, message: Message) -> Iterator[bytes]:
        if self._missed is not None and self._missed.step is not Step.ENDED:
            yield from self._repeat(self._missed)
        ended = whole_response(message, self._origin)
        status = "completed" if ended.status == "completed" else "incomplete"
        yield from self._close(status)
        last = len(self._parts) - 1
        ended.output = [
            item_of(message.id, self._first + number, kind, "".join(texts), status if number == last else "completed")
            for number, (kind, texts) in enumerate(self._parts)
        ]
        name = _LAST_EVENTS.get(ended.status, f"response.{ended.status}")
        index = self._first + max(last, 0)
        position = Position(max(message.attempt, 1), index, self._offset, PartKind.REASONING, Step.ENDED)
        yield self._numbered(position.number, name, {"response": ended})

    @property
    def _index(self) -> int:
        return self._first + len(self._parts) - 1

    def _part(self) -> dict[str, Any]:
        kind = self._parts[-1][0]
        return {
            "item_id": item_id(self._reply.id, self._index, kind),
            "output_index": self._index,
            "content_index": 0,
        }

    def _event(self, step: Step, name: str, fields: dict[str, Any]) -> bytes:
        position = Position(self._attempt, self._index, self._offset, self._parts[-1][0], step)
        return self._numbered(position.number, name, fields)

    def _numbered(self, number: int, name: str, fields: dict[str, Any]) -> bytes:
        """Nothing for an event that the client has."""
        if number <= self._last:
            return b""
        self._last = number
        return _frame(name, number, fields)


def _frame(name: str, number: int, fields: dict[str, Any]) -> bytes:
    return b"event: %s\n" % name.encode() + data_frame({"type": name, "sequence_number": number} | fields)


def _no_logprobs(kind: PartKind) -> dict[str, Any]:
    return {"logprobs": []} if kind is PartKind.TEXT else {}
