"""Reads a stream while it is open, which httpx's ASGI transport does not support."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar.types import ASGIApp

from tests.http.answers import Event, read_event
from tests.http.scripted_model import PATIENCE_SECONDS


class OpenStream:
    def __init__(self) -> None:
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        else:
            self._arrived.put_nowait(message["body"])

    async def event(self) -> Event | None:
        """The next event; None at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while chunk := await self._arrived.get():
                if chunk.startswith(b"id: "):
                    return read_event(chunk.decode().removesuffix("\n\n"))
        return None

    async def rest(self) -> list[Event]:
        """All events until the end of the stream."""
        found = []
        while (event := await self.event()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def open_stream(app: ASGIApp, url: str) -> AsyncGenerator[OpenStream, None]:
    """A client that opens the stream by its ticket, and disconnects at the end of the context."""
    path, _, query = url.partition("?")
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"parley.test")],
        "server": ("parley.test", 80),
        "client": ("127.0.0.1", 1234),
        "root_path": "",
    }
    disconnected = asyncio.Event()
    body_sent = False

    async def receive() -> Any:
        nonlocal body_sent
        if not body_sent:
            body_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await disconnected.wait()
        return {"type": "http.disconnect"}

    stream = OpenStream()
    serving = asyncio.create_task(app(scope, receive, stream.send))
    try:
        yield stream
    finally:
        disconnected.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await serving
