"""Chat completions by OpenAI's protocol, beside asking the model server directly."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load_generator import message
from benchmarks.measurement import Goal, Measurement
from benchmarks.rounds import Effort
from benchmarks.stream_clients import CLIENTS, DELTAS, StreamClients

TIMES = 200
DIRECTLY = "the model server, asked directly"
_DONE = b"data: [DONE]"


@dataclass(frozen=True)
class Target:
    """Where a completion is asked for, by one client with a connection of its own."""

    address: str
    key: str
    model: str

    def request(self, deltas: int) -> bytes:
        url = urlsplit(self.address)
        content = json.loads(message(deltas))["content"]
        fields = {"model": self.model, "messages": [{"role": "user", "content": content}], "stream": True}
        body = json.dumps(fields).encode()
        head = (
            f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = urlsplit(self.address)
        return await asyncio.open_connection(url.hostname, url.port)

    async def first_texts(self, times: int) -> list[float]:
        """Milliseconds from each request to the first text of its answer, one after the other."""
        found, request = [], self.request(1)
        for _ in range(times):
            # The compiled model closes a connection after its answer.
            reader, writer = await self.open()
            started = time.perf_counter()
            writer.write(request)
            received = b""
            while not _has_text(received):
                received += await _some(reader)
            found.append((time.perf_counter() - started) * 1_000)
            while _DONE not in received:
                received += await _some(reader)
            writer.close()
        return found

    async def read(self, until: float) -> int:
        """How many answers of DELTAS deltas are read to their end before the time `until`."""
        finished, request = 0, self.request(DELTAS)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while True:
                    reader, writer = await self.open()
                    writer.write(request)
                    received = b""
                    while _DONE not in received[-200:]:
                        received += await _some(reader)
                    writer.close()
                    finished += 1
        return finished


async def measure(clients: StreamClients, effort: Effort) -> list[Measurement]:
    key = await clients.deployment.pro("completions@example.com")
    parley = Target(f"{clients.deployment.api}/v1", key, "openai/compiled")
    direct = Target(clients.model.url, "any", "compiled")
    rounds = [await _first_texts(parley, direct) for _ in range(effort.rounds)]
    figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
    loop = asyncio.get_running_loop()
    finished = [
        sum(await asyncio.gather(*(parley.read(loop.time() + effort.seconds) for _ in range(CLIENTS)))) / effort.seconds
        for _ in range(effort.rounds)
    ]
    return [
        Measurement(
            "completion-first",
            f"POST /v1/chat/completions to the first text: added latency, p50, idle, {TIMES} times",
            DIRECTLY,
            Goal(at_most=6.0, unit="ms"),
            figures["parley"] - figures["direct"],
            "{parley:.1f} ms against {direct:.1f} ms".format(**figures),
            rounds,
        ),
        Measurement(
            "completions-read",
            f"chat completions of {DELTAS} deltas read as streams by {CLIENTS} clients",
            DIRECTLY,
            Goal(at_least=108.0, unit="/s"),
            median(finished),
            f"{median(finished):.0f}/s",
            [{"per_second": each} for each in finished],
        ),
    ]


async def _first_texts(parley: Target, direct: Target) -> dict[str, Any]:
    return {
        "direct": median(await direct.first_texts(TIMES)),
        "parley": median(await parley.first_texts(TIMES)),
    }


async def _some(reader: asyncio.StreamReader) -> bytes:
    received = await reader.read(65_536)
    if not received:
        raise ConnectionError("the answer broke off")
    return received


def _has_text(received: bytes) -> bool:
    start = received.find(b'"content":"')
    while start >= 0:
        if received[start + 11 : start + 12] not in (b'"', b""):
            return True
        start = received.find(b'"content":"', start + 11)
    return False
