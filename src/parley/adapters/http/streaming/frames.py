"""The framing of server-sent events."""

from typing import Any

import msgspec

from parley.adapters.http.openapi.operation import header
from parley.adapters.http.streaming.after_routing import EventStream

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
DOCUMENTED = {"X-Accel-Buffering": header("Makes nginx forward events immediately", "no", "no", always=False)}
KEEP_ALIVE = b": ping\n\n"
MEDIA_TYPE = "text/event-stream"
# Many libraries split text into lines at these characters, which JSON allows inside strings, and would break events.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def encode_json(data: object) -> bytes:
    """JSON on one line, also for libraries that know more line ends than the standard."""
    encoded = msgspec.json.encode(data)
    if not encoded.isascii():
        for character, escaped in _LINE_ENDS:
            encoded = encoded.replace(character, escaped)
    return encoded


def data_frame(data: object) -> bytes:
    """An event that has only data."""
    return b"data: %s\n\n" % encode_json(data)


def event_stream(frames: Any, **headers: str) -> EventStream:
    """The response whose body are the frames, an asynchronous generator of bytes."""
    return EventStream(frames, media_type=MEDIA_TYPE, headers=HEADERS | headers)
