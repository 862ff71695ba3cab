"""HEAD for every address that has GET (RFC 9110, 9.3.2)."""

from asyncio import Event
from collections.abc import Iterable
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send


def with_head(methods: Iterable[str]) -> str:
    """The value of Allow for an address whose handlers have these methods."""
    allowed = set(methods)
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


class HeadAsGet:
    """Answers HEAD as the application answers GET, without the body. A stream ends once its head is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get: Any = {**scope, "method": "GET"}
        sent = Event()

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            if "path_template" in as_get:
                # Metrics are counted by it.
                scope["path_template"] = as_get["path_template"]
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            sent.set()

        async def receive_until_sent() -> Any:
            """A stream ends when its client has disconnected."""
            return {"type": "http.disconnect"} if sent.is_set() else await receive()

        await self._app(as_get, receive_until_sent, send_head)
