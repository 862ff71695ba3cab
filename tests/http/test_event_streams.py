"""Streams of events are sent outside of the routes, and end with their client."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from litestar import Litestar, Request, Response, get
from structlog.contextvars import bound_contextvars

from parley.adapters.http.streaming.after_routing import SendStreams
from parley.adapters.http.streaming.frames import event_stream
from tests.http.conftest import Logs
from tests.http.test_client_left import Client, call

SCOPE: dict[str, Any] = {
    "type": "http", "http_version": "1.1", "method": "GET", "path": "/stream", "raw_path": b"/stream",
    "query_string": b"", "headers": [(b"host", b"parley.test")], "root_path": "", "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2), "scheme": "http",
}  # fmt: skip


class Source:
    """Frames of a stream: `begin`, and `end` or a fault once `more` is set. `closed` is set when nobody reads on."""

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault
        self.more, self.closed = asyncio.Event(), asyncio.Event()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"begin"
            await self.more.wait()
            if self._fault is not None:
                raise self._fault
            yield b"end"
        finally:
            self.closed.set()


def streaming(source: Source) -> SendStreams:
    @get("/stream")
    async def stream(request: Request[Any, Any, Any]) -> Response[Any]:
        assert request.headers["host"] == "parley.test"
        return event_stream(source.frames(), **{"X-Kind": "events"})

    return SendStreams(Litestar([stream], openapi_config=None))


async def begun(source: Source, client: Client) -> "asyncio.Task[None]":
    task = await call(streaming(source), client, SCOPE)
    async with asyncio.timeout(30):
        while len(client.received) < 2:
            await asyncio.sleep(0)
    return task


def bodies(client: Client) -> list[bytes]:
    return [message["body"] for message in client.received[1:]]


async def test_the_head_and_every_frame_are_sent() -> None:
    source, client = Source(), Client()
    task = await begun(source, client)
    head = client.received[0]
    assert head["status"] == 200
    headers = dict(head["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"x-kind"] == b"events"
    assert bodies(client) == [b"begin"]
    source.more.set()
    await asyncio.wait_for(task, 30)
    assert bodies(client) == [b"begin", b"end", b""]
    assert [message["more_body"] for message in client.received[1:]] == [True, True, False]


async def test_an_open_stream_does_not_hold_its_request() -> None:
    source, client = Source(), Client()
    task = await begun(source, client)
    # isinstance would ask weak references for objects that are gone.
    requests = [each for each in gc.get_objects() if issubclass(type(each), Request)]
    assert [each for each in requests if each.scope["path"] == "/stream"] == []
    client.left.set()
    await asyncio.wait_for(task, 30)


async def test_a_stream_ends_when_its_client_leaves() -> None:
    source, client = Source(), Client()
    task = await begun(source, client)
    client.left.set()
    await asyncio.wait_for(task, 30)
    assert source.closed.is_set()
    assert bodies(client) == [b"begin"]


@pytest.mark.parametrize("client_leaves", [False, True])
async def test_another_cancellation_closes_the_frames_and_is_raised(client_leaves: bool) -> None:
    source, client = Source(), Client()
    task = await begun(source, client)
    if client_leaves:
        client.left.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed.is_set()


async def test_a_fault_of_the_frames_is_logged_and_reaches_the_server(logs: Logs) -> None:
    source, client = Source(fault=ZeroDivisionError()), Client()
    source.more.set()
    with bound_contextvars(request_id="r1"), pytest.raises(ZeroDivisionError):
        await (await call(streaming(source), client, SCOPE))
    assert bodies(client) == [b"begin"]
    [entry] = [each for each in logs if each["event"] == "stream_crashed"]
    assert (entry["log_level"], entry["request_id"]) == ("error", "r1")
