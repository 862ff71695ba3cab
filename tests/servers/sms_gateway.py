"""A real HTTP server that takes text messages as SMS gateways do. By itself: `python -m tests.servers.sms_gateway`."""

import argparse
import asyncio
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.servers.http_server import HttpServer, head, read_request


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body)


class SmsGateway(HttpServer):
    """Answers every request with `status` and `headers`; `hanging` it takes requests and answers none.

    `cut`: the answer's body breaks off. With `context` it speaks TLS.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context=context)
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.status = 202
        self.headers: dict[str, str] = {}
        self.hanging = self.cut = False

    @property
    def url(self) -> str:
        return f"{self.address}/messages"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.put_nowait(Request(*await read_request(reader)))
        if self.hanging:
            await reader.read()
        else:
            writer.write(self._answer())
            await writer.drain()

    def _answer(self) -> bytes:
        length = 100 if self.cut else 2
        headers = {"Connection": "close", "Content-Type": "application/json", "Content-Length": f"{length}"}
        return head(self.status, headers | self.headers) + b"{}"


async def _main(port: int) -> None:
    async with SmsGateway().running(port) as gateway:
        print(gateway.url, flush=True)  # noqa: T201 - what it is for, here and below
        while True:
            request = await gateway.requests.get()
            print(request.body.decode(), flush=True)  # noqa: T201


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="An SMS gateway for tests: prints its address, then each message.")
    arguments.add_argument("--port", type=int, default=0, help="0 for a free one")
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.parse_args().port))
