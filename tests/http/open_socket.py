"""A WebSocket to the application without a server: httpx has none."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar.types import ASGIApp

from tests.http.scripted_model import PATIENCE_SECONDS

Frame = dict[str, Any]


class OpenSocket:
    """What a client has of its connection. `status` is 101 once it is open."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._sent: asyncio.Queue[Any] = asyncio.Queue()
        self._received: asyncio.Queue[Any] = asyncio.Queue()
        self._sent.put_nowait({"type": "websocket.connect"})
        # While it is not set, the server's frames fill up its buffers.
        self.reads = asyncio.Event()
        self.reads.set()
        # What sending raises, as a server's does once the client has left.
        self.fault: Exception | None = None
        self._served = asyncio.Event()

    async def tell(self, **command: Any) -> None:
        await self.tell_text(json.dumps(command))

    async def tell_text(self, text: str) -> None:
        self._sent.put_nowait({"type": "websocket.receive", "text": text})

    async def tell_bytes(self, data: bytes) -> None:
        self._sent.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        self._sent.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def frame(self) -> Frame:
        """The next frame, which is not a close."""
        frame = await self.frame_or_close()
        assert isinstance(frame, dict), frame
        return frame

    async def frame_or_close(self) -> Frame | int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self._received.get()
        if message["type"] == "websocket.close":
            return int(message["code"])
        found: Frame = json.loads(message["text"])
        return found

    async def closed(self) -> int:
        """The code with which the server closes; frames before that are skipped."""
        while isinstance(found := await self.frame_or_close(), dict):
            pass
        return found

    async def until(self, kind: str) -> list[Frame]:
        """The frames up to the first one of that type."""
        frames = [await self.frame()]
        while frames[-1]["type"] != kind:
            frames.append(await self.frame())
        return frames

    async def answer(self, **command: Any) -> Frame:
        """The answer to the command; events before that are skipped."""
        await self.tell(id="the only one", **command)
        while True:
            frame = await self.frame()
            if frame.get("id") == "the only one":
                return frame

    def ended(self, _: "asyncio.Task[None]") -> None:
        self._served.set()

    async def served(self) -> None:
        """Returns once the server has done with the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._served.wait()

    async def send(self, message: Any) -> None:
        if self.fault is not None:
            raise self.fault
        if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
            self.status = message.get("status", 101)
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "websocket.http.response.body":
            self.body += message["body"]
        else:
            if message["type"] == "websocket.send":
                await self.reads.wait()
            self._received.put_nowait(message)
            if message["type"] == "websocket.close":
                self._sent.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    async def receive(self) -> Any:
        return await self._sent.get()


@asynccontextmanager
async def open_socket(
    app: ASGIApp, room: str, server: tuple[str, int] = ("parley.test", 80), **headers: str
) -> AsyncGenerator[OpenSocket, None]:
    """A connection that the client leaves at the end of the context. `room` may also be another address."""
    path = room if room.startswith("/") else f"/chatroom/{room}/socket"
    scope: Any = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in ({"host": "parley.test"} | headers).items()],
        "server": server,
        "client": ("127.0.0.1", 1234),
        "root_path": "",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    socket = OpenSocket()
    serving = asyncio.create_task(app(scope, socket.receive, socket.send))
    serving.add_done_callback(socket.ended)
    try:
        yield socket
    finally:
        socket.leave()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await serving


@asynccontextmanager
async def ready_socket(
    app: ASGIApp, room: str, token: str, last_event_id: str | None = None
) -> AsyncGenerator[OpenSocket, None]:
    """A connection after its first message and the `ready` that answers it."""
    async with open_socket(app, room) as socket:
        await socket.tell(type="auth", token=token, last_event_id=last_event_id)
        ready = await socket.frame()
        assert ready["type"] == "ready", ready
        yield socket
