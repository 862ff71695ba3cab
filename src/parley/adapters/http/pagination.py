"""Cursors of lists: opaque to clients, and validated like any other input."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter

from parley.adapters.http.openapi.fields import described, example
from parley.core.chat.model import RoomCursor
from parley.core.chat.search import SearchCursor
from parley.core.errors import InvalidInput

# Base64 of the longest e-mail address.
LONGEST_CURSOR = 340
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROOM_CURSOR = re.compile(r"(p?)(\d{1,17})\.([0-9a-f]{32})")
_ID = re.compile(r"[0-9a-f]{32}")
_SEARCH_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,4})")
_POSITION = re.compile(r"\d{1,9}")

NextCursor = Annotated[str | None, described("The `cursor` of the next page; null on the last page", None)]
Limit = Annotated[
    int, QueryParameter(ge=1, le=100, description="The maximum number of items on the page", examples=example(50))
]


def _cursor(list_name: str, sample: str) -> QueryParameter:
    return QueryParameter(
        description="The `next_cursor` of the previous page; leave it out for the first page",
        max_length=4_096,
        examples=example(sample),
        schema_extra={"format": f"cursor-of-{list_name}"},
    )


RoomCursorText = Annotated[
    str | None, _cursor("chatrooms", "MTc5NTI1MzQwMDAwMDAwMC4wMWExZmUzMDVjMDA3YTMxOGQ1MjZmMGIxYzllNGEwMw")
]
SessionCursor = Annotated[str | None, _cursor("sessions", "MDFhMWZlMzA1YzAwN2EzMThkNTI2ZjBiMWM5ZTRhMDI")]
ApiKeyCursor = Annotated[str | None, _cursor("api-keys", "MDFhMWZlMzA1YzAwN2EzMThkNTI2ZjBiMWM5ZTRhMDc")]
SearchCursorText = Annotated[str | None, _cursor("search", "MTIwNC41MA")]
AccountCursor = Annotated[str | None, _cursor("accounts", "MDFhMWZlMzA1YzAwN2EzMThkNTI2ZjBiMWM5ZTRhMDE")]
DeliveryCursor = Annotated[str | None, _cursor("deliveries", "MDFhMWZlMzA1YzAwN2EzMThkNTI2ZjBiMWM5ZTRhMjE")]
SharedCursorText = Annotated[str | None, _cursor("shared", "MTAw")]
MessageCursor = Annotated[str | None, _cursor("messages", "NTE")]


def room_cursor(cursor: RoomCursor | None) -> str | None:
    if cursor is None:
        return None
    microseconds = (cursor.active_at - _EPOCH) // timedelta(microseconds=1)
    return _encode(f"{'p' if cursor.pinned else ''}{microseconds}.{cursor.room_id.hex}")


def read_room_cursor(cursor: str | None) -> RoomCursor | None:
    """Raises InvalidInput for text that `room_cursor` did not return."""
    if cursor is None:
        return None
    parts = _ROOM_CURSOR.fullmatch(_decode(cursor))
    if parts is None:
        raise _cursor_invalid()
    return RoomCursor(_EPOCH + timedelta(microseconds=int(parts[2])), UUID(parts[3]), pinned=bool(parts[1]))


def id_cursor(last: UUID | None) -> str | None:
    return None if last is None else _encode(last.hex)


def read_id_cursor(cursor: str | None) -> UUID | None:
    """Raises InvalidInput for text that `id_cursor` did not return."""
    if cursor is None:
        return None
    text = _decode(cursor)
    if not _ID.fullmatch(text):
        raise _cursor_invalid()
    return UUID(text)


def position_cursor(position: int | None) -> str | None:
    return None if position is None else _encode(str(position))


def read_position_cursor(cursor: str | None) -> int | None:
    """Raises InvalidInput for text that `position_cursor` did not return."""
    if cursor is None:
        return None
    text = _decode(cursor)
    if not _POSITION.fullmatch(text):
        raise _cursor_invalid()
    return int(text)


def text_cursor(text: str | None) -> str | None:
    return None if text is None else _encode(text)


def read_text_cursor(cursor: str | None) -> str | None:
    """Raises InvalidInput for text that no cursor can be."""
    return None if cursor is None else _decode(cursor)


def search_cursor(cursor: SearchCursor | None) -> str | None:
    return None if cursor is None else _encode(f"{cursor.up_to}.{cursor.skip}")


def read_search_cursor(cursor: str | None) -> SearchCursor | None:
    """Raises InvalidInput for text that `search_cursor` did not return."""
    if cursor is None:
        return None
    parts = _SEARCH_CURSOR.fullmatch(_decode(cursor))
    if parts is None:
        raise _cursor_invalid()
    return SearchCursor(int(parts[1]), int(parts[2]))


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(cursor: str) -> str:
    if len(cursor) > LONGEST_CURSOR:
        raise _cursor_invalid()
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError as error:
        raise _cursor_invalid() from error


def _cursor_invalid() -> InvalidInput:
    return InvalidInput("cursor", "is not a next_cursor of this list")
