"""What the HTTP servers for tests have in common: their connections, and reading a request."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self


class HttpServer(ABC):
    """Runs in the current event loop at `address`. `serving` are the open connections, `connections` counts all."""

    def __init__(self, *, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.serving: set[asyncio.Task[None]] = set()
        self._context = context
        self._change = asyncio.Event()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncGenerator[Self, None]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._context)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{'https' if self._context else 'http'}://{host}:{port}"
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Close the socket and every connection."""
        self._server.close()
        for connection in self.serving:
            connection.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, met: Callable[[], bool], *, within: float = 30.0) -> None:
        """Wait until `met`, checked after every `notify` and disconnect. TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while not met():
                await self._change.wait()

    def notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer on one connection, which is closed afterwards."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.add(asyncio.current_task())
        # The client disconnected, or stop() was called.
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            try:
                await self.serve(reader, writer)
            finally:
                self.serving.discard(asyncio.current_task())
                self.notify()
                writer.close()
                await writer.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path with its query, headers by their names in lower case, and body. Raises IncompleteReadError."""
    line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    method, path, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", 0)))


def head(status: int, headers: dict[str, str]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} \r\n{fields}\r\n".encode()
