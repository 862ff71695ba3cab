"""Reading of an answer's events as model servers really send them, which is more loosely than the standard allows.

The standard is https://html.spec.whatwg.org/#event-stream-interpretation. Beyond it: a whole JSON body or JSON lines in
place of events, events parted by one newline, an end without the last blank line, and JSON with NaN, with halves of
surrogate pairs, with broken UTF-8, or nested so deeply that parsers give up.
"""

import json
import re
from enum import Enum

import msgspec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DEEPEST = 100
MOST_EVENT_BYTES = 16 * 2**20

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class Mark(Enum):
    """What an event can be besides a JSON object."""

    DONE = "[DONE]"


Event = dict[str, object] | Mark


class EventTooLarge(ValueError):
    """An event has more than MOST_EVENT_BYTES."""


class EventReader:
    """Turns the bytes of an answer, cut anywhere, into the JSON objects of its events and Mark.DONE.

    What is no object, and what the server itself calls an error, comes as `{"error": …}`. Comments, other fields and
    events without content are left out. Lists come as their items.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._first = True
        self._after_return = False
        self._failing = False
        self._without_fields = False

    def read(self, received: bytes) -> list[Event]:
        """The events that end in these bytes. Raises EventTooLarge."""
        if self._after_return:
            received = received.removeprefix(b"\n")
        self._after_return = received.endswith(b"\r")
        self._size += len(received)
        # Of bytes, unlike of a str, these are the lines that end with CR, LF or both.
        for part in received.splitlines(keepends=True):
            self._line.append(part)
            if part.endswith((b"\n", b"\r")):
                self._end_line()
        if self._size > MOST_EVENT_BYTES:
            raise EventTooLarge
        return self._taken()

    def end(self) -> list[Event]:
        """The events that only the end of the answer ends."""
        self._end_line()
        self._end_event()
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _end_line(self) -> None:
        line = b"".join(self._line).strip()
        self._line.clear()
        if self._first:
            line, self._first = line.removeprefix(BYTE_ORDER_MARK).strip(), False
        name, _, value = line.partition(b":")
        if self._without_fields or line.startswith((b"{", b"[")):
            self._without_fields = True
            self._add(line)
        elif not line:
            self._end_event()
        elif name.rstrip() == b"data":
            self._add(value.lstrip())
        elif name.rstrip() == b"event":
            self._failing = value.lstrip() == b"error"
        if not self._data:
            self._size = 0

    def _add(self, data: bytes) -> None:
        """One line of data: an event by itself if it can be read so, since a blank line may never follow it."""
        if not self._data:
            if not data:
                return
            try:
                decoded = _decoded(data)
            except ValueError:
                pass
            else:
                self._add_event(decoded)
                return
        self._data.append(data)

    def _end_event(self) -> None:
        if not self._data:
            if self._failing:
                self._add_event("an error without a word")
            return
        lines, self._data = self._data, []
        try:
            self._add_event(_decoded(b"\n".join(lines)))
        except ValueError:
            for line in filter(None, lines):
                self._add_event(_decoded_or_error(line))

    def _add_event(self, decoded: object) -> None:
        failing, self._failing = self._failing, False
        for value in decoded if isinstance(decoded, list) else (decoded,):
            if isinstance(value, Mark) or (isinstance(value, dict) and (not failing or value.get("error"))):
                self._events.append(value)
            elif failing or isinstance(value, str):
                self._events.append({"error": value or "an error without a word"})


def read_json(body: bytes) -> object:
    """A whole body, read as loosely as events are. Raises ValueError."""
    return _decoded(body.removeprefix(BYTE_ORDER_MARK).strip())


def _decoded(data: bytes) -> object:
    """Raises ValueError for what is no JSON, however loosely it is read."""
    if data.startswith(b"[DONE]"):
        return Mark.DONE
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        if not data.endswith((b"}", b"]")):
            raise ValueError("Not JSON") from None
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        return json.loads(_pruned(text), strict=False)


def _decoded_or_error(line: bytes) -> object:
    try:
        return _decoded(line)
    except ValueError:
        # A text is a server's way to say what failed. Broken JSON may hold words of the conversation.
        return "an unreadable event" if line[:1] in {b"{", b"["} else line.decode("utf-8", "replace")


def _pruned(text: str) -> str:
    """The same JSON with null for what is nested deeper than DEEPEST: nothing that is read is."""
    pieces: list[str] = []
    depth = start = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        bracket = found[0]
        if bracket in {"[", "{"}:
            depth += 1
            if depth == DEEPEST + 1:
                pieces.append(text[start : found.start()])
        elif bracket in {"]", "}"}:
            depth -= 1
            if depth == DEEPEST:
                pieces.append("null")
                start = found.end()
    return "".join(pieces) + text[start:]
