"""A real HTTP server that takes text messages as SMS gateways do. By itself: `python -m tests.servers.sms_gateway`."""

import argparse
import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        return json.loads(self.body)


class SmsGateway:
    """Answers every request with `status` and `headers`; `hanging` it takes requests and answers none.

    `cut`: the answer's body breaks off. With `context` it speaks TLS.
    """

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.connections = 0
        self.status = 202
        self.headers: dict[str, str] = {}
        self.hanging = self.cut = False
        self._context = context
        self._serving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncGenerator["SmsGateway", None]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._context)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{'https' if self._context else 'http'}://{host}:{port}/messages"
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End, and every connection too. Nothing listens at the address any more."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.current_task())
        # The client left, or stop().
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            try:
                request = await _read(reader)
                self.requests.put_nowait(request)
                if self.hanging:
                    await reader.read()
                else:
                    writer.write(self._answer(request))
                    await writer.drain()
            finally:
                self._serving.discard(asyncio.current_task())
                writer.close()
                await writer.wait_closed()

    def body(self, request: Request) -> bytes:  # noqa: ARG002  for other servers
        return b"{}"

    def _answer(self, request: Request) -> bytes:
        body = self.body(request)
        length = 100 if self.cut else len(body)
        headers = {"Connection": "close", "Content-Type": "application/json", "Content-Length": length} | self.headers
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} \r\n{fields}\r\n".encode() + body


async def _read(reader: asyncio.StreamReader) -> Request:
    line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    method, path, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


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
