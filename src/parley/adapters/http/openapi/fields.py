"""Descriptions of fields for the OpenAPI document, and the conversation that all examples are taken from."""

from typing import Any

from litestar.openapi.spec import Example
from msgspec import Meta

ACCOUNT_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a01"
SESSION_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a02"
API_KEY_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a07"
DELIVERY_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a21"
EVENT_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a20"
ROOM_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a03"
MESSAGE_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a04"
REPLY_ID = "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a05"
MODEL = "offline/echo"
TICKET = "AaH-MFwAejGNUm8LHJ5KBGmu3Q.4q1ZrV8c"
STREAM_URL = f"/chatroom/{ROOM_ID}/messages/{REPLY_ID}/stream?ticket={TICKET}"
SHARED_TOKEN = "q1ZrV8cXn0bT5yKdE2sWjL7uPfA3hGmR9oiQ4vB6tCk"  # noqa: S105  an example
SHARE_URL = f"/shared/{SHARED_TOKEN}"
COPIED_AT = "2026-11-21T09:40:00Z"

MESSAGE = {
    "id": MESSAGE_ID,
    "chatroom_id": ROOM_ID,
    "role": "user",
    "content": "Where is it warm in May?",
    "parts": [{"type": "text", "text": "Where is it warm in May?"}],
    "status": "completed",
    "model": None,
    "reply_to": None,
    "parent_id": None,
    "siblings": {"index": 0, "count": 1, "ids": [MESSAGE_ID]},
    "finish_reason": None,
    "usage": None,
    "error": None,
    "feedback": None,
    "created_at": "2026-11-21T09:30:00Z",
    "completed_at": "2026-11-21T09:30:00Z",
}
PENDING_REPLY = MESSAGE | {
    "id": REPLY_ID,
    "role": "assistant",
    "content": "",
    "parts": [],
    "status": "pending",
    "model": MODEL,
    "reply_to": MESSAGE_ID,
    "parent_id": MESSAGE_ID,
    "siblings": {"index": 0, "count": 1, "ids": [REPLY_ID]},
    "completed_at": None,
}
REPLY = PENDING_REPLY | {
    "content": "You said: Where is it warm in May?",
    "parts": [{"type": "text", "text": "You said: Where is it warm in May?"}],
    "status": "completed",
    "finish_reason": "stop",
    "usage": {"input_tokens": 6, "output_tokens": 8, "cached_input_tokens": None, "reasoning_tokens": None},
    "completed_at": "2026-11-21T09:30:01Z",
}

# Stored text contains no NUL, which PostgreSQL cannot store.
STORABLE = r"^[^\u0000]*$"


def described(description: str, *examples: object, **schema: Any) -> Meta:
    """Documentation of a field. `schema` holds further JSON Schema keywords, which are documented but not checked."""
    return Meta(description=description, examples=list(examples) or None, extra_json_schema=schema or None)


def example(value: Any) -> list[Example]:
    """The example of a parameter."""
    return [Example(value=value)]
