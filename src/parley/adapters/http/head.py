"""HEAD for every address that has GET (RFC 9110, 9.3.2)."""

from asyncio import Event
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers HEAD as the application answers GET, without the body. A stream ends once its head is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get: Any = {**scope, "method": "GET"}
        response = _Head(receive, send)
        try:
            await self._app(as_get, response.receive, response.send)
        finally:
            # The template of the route is in the metrics.
            if "path_template" in as_get:
                scope["path_template"] = as_get["path_template"]


class _Head:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._sent = Event()

    async def send(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            return
        await self._send(message)
        self._sent.set()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive(self) -> Any:
        """After the head nobody reads on, which ends a stream."""
        if self._sent.is_set():
            return {"type": "http.disconnect"}
        return await self._receive()
