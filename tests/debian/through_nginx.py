"""A client of nginx over TLS by its name, and the walk from nothing to a streamed reply."""

import json
import ssl
from typing import Any

import httpx
from websockets.asyncio.client import connect

from tests.debian.nginx import NAME

WORDS = 40


class ByName(httpx.AsyncHTTPTransport):
    """Connects to this machine for the proxy's name, as a name server would."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


async def streamed_reply(client: httpx.AsyncClient, email: str) -> dict[str, Any]:
    """The message at the end of the stream, whose words came one by one."""
    identity = {"email": email}
    code = (await client.post("auth/send-otp", json=identity)).json()["otp"]
    signed_in = (await client.post("auth/verify-otp", json=identity | {"otp": code})).json()
    client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"
    room = (await client.post("chatroom", json={"name": "Holiday plans"})).json()["id"]
    question = " ".join(f"word{number}" for number in range(WORDS))
    accepted = await client.post(f"chatroom/{room}/message", json={"content": question})
    assert accepted.headers["location"].startswith(str(client.base_url))
    text, chunks = "", 0
    async with client.stream("GET", accepted.json()["stream_url"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for chunk in stream.aiter_text():
            text, chunks = text + chunk, chunks + 1
    assert chunks > WORDS / 4, "the stream was buffered"
    final: dict[str, Any] = json.loads(text.rpartition("data: ")[2])["message"]
    assert final["content"] == f"You said: {question}"
    return final


async def answer_over_a_socket(client: httpx.AsyncClient, tls: ssl.SSLContext) -> str:
    """The reply to «Hello» that the account, which is signed in, receives over a WebSocket through the proxy."""
    room = (await client.post("chatroom", json={"name": "By a socket"})).json()["id"]
    base = str(client.base_url).rstrip("/").replace("http", "ws", 1)
    address = f"{base}/chatroom/{room}/socket"
    token = client.headers["Authorization"].removeprefix("Bearer ")
    async with connect(address, host="127.0.0.1", port=client.base_url.port, ssl=tls) as socket:
        for command in ({"type": "auth", "token": token}, {"type": "send", "content": "Hello"}):
            await socket.send(json.dumps(command))
        while (frame := json.loads(await socket.recv()))["type"] != "done":
            assert frame["type"] != "error", frame
    text: str = frame["message"]["content"]
    return text
