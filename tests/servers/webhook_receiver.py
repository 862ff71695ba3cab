"""A real HTTP server that takes webhooks and verifies each with the library of the specification."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.servers.http_server import HttpServer, head, read_request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass(frozen=True)
class Received:
    """One attempt: `event` is the body as the library has verified and parsed it; None for HEAD."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    event: Any

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class WebhookReceiver(HttpServer):
    """Answers every request with `status` and `headers`, the first ones with `statuses` one after the other.

    `hanging` it takes requests and answers none; `closing` it ends the connection instead of an answer; `endless` its
    answers' bodies never end. `secret` is what it verifies with; a wrong signature is raised in `received`.
    """

    def __init__(self, secret: str = SECRET, *, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context=context)
        self.received: list[Received] = []
        self.status = 204
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.hanging = self.closing = self.endless = False
        self._library = Webhook(secret)

    @property
    def url(self) -> str:
        return f"{self.address}/hooks?key=a-secret-of-the-url"

    @property
    def events(self) -> list[Any]:
        return [each.event for each in self.received]

    def of(self, kind: str) -> list[Received]:
        return [each for each in self.received if each.event and each.event["type"] == kind]

    async def next(self, count: int = 1, *, within: float = 30.0) -> list[Received]:
        """The first `count` attempts, as soon as there are so many."""
        await self.until(lambda: len(self.received) >= count, within=within)
        return self.received[:count]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, headers, body = await read_request(reader)
        event = self._library.verify(body, headers) if method == "POST" else None
        self.received.append(Received(method, path, headers, body, event))
        self.notify()
        if self.closing:
            return
        if self.hanging:
            await reader.read()
            return
        status = self.statuses.pop(0) if self.statuses else self.status
        writer.write(head(status, {"Connection": "close", **self.headers}))
        while self.endless:
            writer.write(b"x" * 10_000)
            await writer.drain()
        await writer.drain()
