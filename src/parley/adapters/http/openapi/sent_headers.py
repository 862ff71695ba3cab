"""The headers that answers carry, for the OpenAPI document."""

from typing import Any


def _header(description: str, example: str, pattern: str, *, always: bool = True) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"description": description, "required": always, "schema": schema, "example": example}


HEADERS = {
    "X-Request-ID": _header(
        "Finds the request in the server's log; your own, if you sent a plain one",
        "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a09",
        r"[A-Za-z0-9._-]{1,64}",
    ),
    "WWW-Authenticate": _header("How to prove who you are", "Bearer", "Bearer"),
    "Allow": _header("The methods that the address knows", "GET, OPTIONS", "[A-Z]+(, [A-Z]+)*"),
    "Retry-After": _header("Seconds to wait", "30", "[0-9]+"),
    "Location": _header(
        "The reply",
        "/chatroom/01a1fe30-5c00-7a31-8d52-6f0b1c9e4a03/messages/01a1fe30-5c00-7a31-8d52-6f0b1c9e4a05",
        ".+",
    ),
    "RateLimit-Policy": _header(
        "Basic plan: the messages of a UTC day", '"daily";q=5;w=86400', '"daily";q=[0-9]+;w=86400', always=False
    ),
    "RateLimit": _header(
        "Basic plan: the messages that are left, and the seconds until the day ends",
        '"daily";r=4;t=3600',
        '"daily";r=[0-9]+;t=[0-9]+',
        always=False,
    ),
    "Idempotent-Replayed": _header("On a repeat alone", "true", "true", always=False),
    "Preference-Applied": _header("What was heeded of Prefer", "wait=10", "wait=[0-9]+", always=False),
    "ETag": _header("Of this very page, for If-None-Match", '"0f4c1d2b3a5968778695a4b3c2d1e0f1"', '"[0-9a-f]{32}"'),
    "Cache-Status": _header("Whether it came out of the cache (RFC 9211)", "parley; hit", "parley; (hit|fwd=miss)"),
    "Content-Disposition": _header(
        "Saves it as a file",
        'attachment; filename="parley-export.json"',
        'attachment; filename="parley-export\\.json"',
    ),
    "X-Accel-Buffering": _header("Tells nginx to pass events on at once", "no", "no"),
}

# By status, or by operation and status.
SENT: dict[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "405": ("Allow",),
    "429": ("Retry-After",),
    "postMessage 202": ("Location", "RateLimit-Policy", "RateLimit", "Idempotent-Replayed"),
    "postMessage 429": ("RateLimit-Policy", "RateLimit"),
    "listChatrooms 200": ("ETag", "Cache-Status"),
    "listChatrooms 304": ("ETag", "Cache-Status"),
    "getMessage 200": ("Preference-Applied",),
    "exportAccount 200": ("Content-Disposition",),
    "streamReply 200": ("X-Accel-Buffering",),
}
