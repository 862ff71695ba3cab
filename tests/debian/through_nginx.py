"""A client of nginx over TLS by its name, and the walk from nothing to a streamed reply."""

import json
from typing import Any

import httpx

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
