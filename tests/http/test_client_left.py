"""Expensive work ends with the client that asked for it."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from tests.http.site import MIRA, Site
from tests.http.test_metrics import metric

BODY = {"type": "http.request", "body": b"", "more_body": False}


class Client:
    """Sends a body, and disconnects when `left` is set."""

    def __init__(self, body: bytes = b"") -> None:
        self.left = asyncio.Event()
        self.received: list[Any] = []
        self._messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.received.append(message)


async def call(
    app: Any, client: Client, scope: Mapping[str, Any] = MappingProxyType({"type": "http"})
) -> asyncio.Task[None]:
    task = asyncio.create_task(app(dict(scope), client.receive, client.send))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    client = Client()
    task = await call(CancelWhenClientLeaves(app), client)
    assert not task.done()
    client.left.set()
    await asyncio.wait_for(task, 30)
    assert (ended, client.received) == (["cancelled"], [])


async def test_work_is_not_cancelled_once_the_response_has_begun() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send("start")
        client.left.set()
        await asyncio.sleep(0.05)
        await send("end")

    client = Client()
    await asyncio.wait_for(await call(CancelWhenClientLeaves(app), client), 30)
    assert client.received == ["start", "end"]


async def test_another_cancellation_is_not_swallowed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.Event().wait()

    task = await call(CancelWhenClientLeaves(app), Client())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("path", ["/auth/login", "/auth/signup"])
async def test_a_login_whose_client_leaves_has_no_response(site: Site, path: str) -> None:
    client = Client(b'{"mobile_number": "%s", "password": "correct horse"}' % MIRA.encode())
    client.left.set()
    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"40")], "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "scheme": "http",
    }  # fmt: skip
    await site.app(scope, client.receive, client.send)
    assert client.received == []
    assert await metric(site, "parley_http_requests_total", route=path, status="0") == 1
