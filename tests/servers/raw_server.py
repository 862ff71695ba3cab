"""A local HTTP server that answers every request with bytes of the test's choice and records what it was sent."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.http_server import HttpServer, head, read_request

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


class RawServer(HttpServer):
    """`answers` are given in turn, the last one to all later requests. Connections stay open."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = [Answer()]
        self.requests: list[Received] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end: bytes | None = LAST_CHUNK
        while end is not None:
            _, path, headers, body = await read_request(reader)
            self.requests.append(Received(path, headers, json.loads(body) if body else None))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            writer.write(head(answer.status, {"Transfer-Encoding": "chunked"} | answer.headers))
            writer.write(b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in answer.parts if part))
            while answer.heartbeat:
                writer.write(b"%x\r\n%b\r\n" % (len(answer.heartbeat), answer.heartbeat))
                await writer.drain()
                await asyncio.sleep(0.5)
            end = answer.end
            writer.write(end or b"")
            await writer.drain()
