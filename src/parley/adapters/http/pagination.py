"""Cursors: opaque to clients, and never trusted."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from parley.adapters.http.openapi.fields import described, example
from parley.core.chat.model import RoomCursor
from parley.core.errors import InvalidInput

LONGEST_CURSOR = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROOM_PLACE = re.compile(r"(\d{1,17})\.([0-9a-f]{32})")
_ID = re.compile(r"[0-9a-f]{32}")
_POSITION = re.compile(r"\d{1,9}")

NextCursor = Annotated[str | None, described("Leads to the next page; null on the last one", None)]
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="The most items on the page", examples=example(50))]


def _cursor(of: str, sample: str) -> QueryParameter:
    return QueryParameter(
        description="`next_cursor` of the page before; without it the first page",
        max_length=4_096,
        examples=example(sample),
        schema_extra={"format": f"cursor-of-{of}"},
    )


RoomCursorText = Annotated[
    str | None, _cursor("chatrooms", "MTc5NTI1MzQwMDAwMDAwMC4wMWExZmUzMDVjMDA3YTMxOGQ1MjZmMGIxYzllNGEwMw")
]
SessionCursor = Annotated[str | None, _cursor("sessions", "MDFhMWZlMzA1YzAwN2EzMThkNTI2ZjBiMWM5ZTRhMDI")]
MessageCursor = Annotated[str | None, _cursor("messages", "NTE")]


def room_cursor(place: RoomCursor | None) -> str | None:
    if place is None:
        return None
    microseconds = (place.active_at - _EPOCH) // timedelta(microseconds=1)
    return _encode(f"{microseconds}.{place.room_id.hex}")


def read_room_cursor(cursor: str | None) -> RoomCursor | None:
    """Raises InvalidInput for anything that `room_cursor` did not make."""
    if cursor is None:
        return None
    place = _ROOM_PLACE.fullmatch(_decode(cursor))
    if place is None:
        raise _not_ours()
    return RoomCursor(_EPOCH + timedelta(microseconds=int(place[1])), UUID(place[2]))


def id_cursor(last: UUID | None) -> str | None:
    return None if last is None else _encode(last.hex)


def read_id_cursor(cursor: str | None) -> UUID | None:
    """Raises InvalidInput for anything that `id_cursor` did not make."""
    if cursor is None:
        return None
    text = _decode(cursor)
    if not _ID.fullmatch(text):
        raise _not_ours()
    return UUID(text)


def position_cursor(position: int | None) -> str | None:
    return None if position is None else _encode(str(position))


def read_position_cursor(cursor: str | None) -> int | None:
    """Raises InvalidInput for anything that `position_cursor` did not make."""
    if cursor is None:
        return None
    text = _decode(cursor)
    if not _POSITION.fullmatch(text):
        raise _not_ours()
    return int(text)


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: str) -> str:
    if len(cursor) > LONGEST_CURSOR:
        raise _not_ours()
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError as error:
        raise _not_ours() from error


def _not_ours() -> InvalidInput:
    return InvalidInput("cursor", "is not a next_cursor of this list")
