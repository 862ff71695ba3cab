"""Sending a stream of events after Litestar has returned, so that an open stream holds little.

Until a streamed response of its own ends, Litestar holds the request, what was parsed of it, a dozen frames of its
calls, and a task group with two tasks: half of the memory of a stream and of the objects that a collection of garbage
visits.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import structlog
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from parley.core.tasks import cancel_and_wait

_FRAMES = "parley.frames"

log = structlog.get_logger("parley.http")


class EventStream(Stream):
    """A response whose body SendStreams sends. Has no background task."""

    def to_asgi_response(self, *connection: Any, **options: Any) -> ASGIResponse:
        return cast("ASGIResponse", _Head(super().to_asgi_response(*connection, **options)))


class _Head:
    def __init__(self, response: Any) -> None:
        self._response = response

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        await self._response.start_response(send)
        _any(scope)[_FRAMES] = self._response.iterator


class SendStreams:
    """Middleware around Litestar that sends the frames of each EventStream until they, or the client, end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        frames = _any(scope).pop(_FRAMES, None)
        if frames is not None:
            # Litestar's notes on the request, with everything that it parsed.
            _any(scope)["state"] = {}
            await _send_while_connected(frames, receive, send)


async def _send_while_connected(frames: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    sending: Any = asyncio.current_task()
    watching = asyncio.create_task(_watch(receive, sending))
    try:
        try:
            await _send(frames, send)
        finally:
            await cancel_and_wait(watching)
    except asyncio.CancelledError:
        client_left = not watching.cancelled() and watching.exception() is None
        # Someone else may have cancelled it too.
        if not client_left or sending.uncancel():
            raise


async def _watch(receive: Receive, sending: "asyncio.Task[Any]") -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            sending.cancel()
            return


async def _send(frames: AsyncGenerator[bytes, None], send: Send) -> None:
    async with aclosing(frames):
        try:
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except Exception:
            # The server logs it too, but without the request id.
            log.exception("stream_crashed")
            raise
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _any(scope: Scope) -> Any:
    """A scope as a dict to which middleware may add (ASGI specification, Middleware)."""
    return scope
