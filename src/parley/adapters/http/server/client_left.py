"""Work that ends when the client that asked for it has disconnected."""

import asyncio
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send


class CancelWhenClientLeaves:
    """Middleware for routes whose work is expensive: it is cancelled if the client disconnects before the response.

    The request then has no response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _Request(receive, send)
        try:
            await self._app(scope, request.receive, request.send)
        except asyncio.CancelledError:
            if not request.ends_with_client():
                raise
        finally:
            await request.end()


class _Request:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._answered = False
        self._left = False

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            # After the body only the end of the connection can follow.
            self._watcher = asyncio.create_task(self._watch())
        return message

    async def send(self, message: Message) -> None:
        self._answered = True
        await self._send(message)

    def ends_with_client(self) -> bool:
        """Whether the cancellation of the task was only for this reason."""
        return self._left and self._task is not None and self._task.uncancel() == 0

    async def end(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})

    async def _watch(self) -> None:
        message: Any = await self._receive()
        if message["type"] == "http.disconnect" and not self._answered and self._task is not None:
            self._left = True
            self._task.cancel()
