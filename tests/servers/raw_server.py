"""A local HTTP server that answers every request with bytes of the test's choice and records what it was sent."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """One response: each part is sent as an HTTP chunk. `end` takes the place of the last chunk; None: disconnect."""

    parts: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    end: bytes | None = LAST_CHUNK
    # Sent every 0.5 s after the parts, until the client disconnects.
    heartbeat: bytes = b""


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: Any


class RawServer:
    """`answers` are given in turn, the last one to all later requests. Connections stay open."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.requests: list[Received] = []
        self.connected = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())
        return self.url

    async def stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self._connections.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                self.requests.append(await _read(reader))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
                writer.write(f"HTTP/1.1 {answer.status} X\r\nTransfer-Encoding: chunked\r\n{fields}\r\n".encode())
                writer.write(b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in answer.parts if part))
                while answer.heartbeat:
                    writer.write(b"%x\r\n%b\r\n" % (len(answer.heartbeat), answer.heartbeat))
                    await writer.drain()
                    await asyncio.sleep(0.5)
                writer.write(answer.end or b"")
                await writer.drain()
                if answer.end is None:
                    break
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(first.split(" ")[1], headers, json.loads(body) if body else None)
