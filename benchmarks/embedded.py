"""`parley run` with no settings: SQLite, worker and offline model in one process."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.load_generator import chat, compiled
from benchmarks.measurement import NOTHING, Goal, Measurement
from benchmarks.processes import resident_mb
from benchmarks.rounds import Effort
from tests.e2e.process import new_room, parley, sign_in
from tests.servers.redis_server import free_port

FULL = Effort()
EMAIL = "reader@example.com"
HELLO = '{"content": "hello"}'
WARM_UP, SEQUENTIAL_REPLIES = 20, 100
# Before memory is read, so that the start is complete.
IDLE_SECONDS = 2.0
PATIENCE = 30.0
LOOK_SECONDS = 0.002


@dataclass
class Embedded:
    folder: Path
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> float:
        """Seconds from exec to the first 200 of GET /health/ready."""
        started = time.perf_counter()
        self.process = await self._run("run", "--port", str(self.port))
        async with asyncio.timeout(PATIENCE):
            while not await self._ready():
                assert self.process.returncode is None, "parley run ended"
                await asyncio.sleep(LOOK_SECONDS)
        return time.perf_counter() - started

    async def make_pro(self) -> None:
        """Lift the existing account's limit of five messages a day."""
        assert await (await self._run("plan", EMAIL, "pro")).wait() == 0

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def _run(self, *words: str) -> asyncio.subprocess.Process:
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        nowhere = asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *parley(*words), cwd=self.folder, env=bare, stdout=nowhere, stderr=nowhere
        )

    async def _ready(self) -> bool:
        """Without an HTTP client, whose own work would be measured too."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        status = await reader.readline()
        writer.close()
        return b" 200 " in status


async def measure(folder: Path, *, effort: Effort = FULL) -> list[Measurement]:
    """Each round starts in a new folder inside `folder`."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    generator = await compiled(folder)
    # The first start reads the code from the disk.
    await _measured(folder / "warm-up", generator)
    rounds = [await _measured(folder / f"round{number}", generator) for number in range(effort.rounds)]
    medians = {name: median(each[name] for each in rounds) for name in rounds[0]}
    return [
        Measurement(
            "cold-start",
            "embedded: cold start in an empty folder, to the first 200 of GET /health/ready",
            NOTHING,
            Goal(at_most=1.5, unit="s"),
            medians["first_start"],
            f"{medians['first_start']:.2f} s, {medians['second_start']:.2f} s when the database is there",
            rounds,
        ),
        Measurement(
            "idle-memory",
            f"embedded: resident memory, {IDLE_SECONDS:g} s after the start",
            NOTHING,
            Goal(at_most=95.0, unit="MB"),
            medians["idle_mb"],
            f"{medians['idle_mb']:.0f} MB, {medians['replied_mb']:.0f} MB after a sign-in and a reply",
            rounds,
        ),
        Measurement(
            "embedded-first-delta",
            f"embedded: POST to first delta, p50 of {SEQUENTIAL_REPLIES}, offline model",
            NOTHING,
            Goal(at_most=8.0, unit="ms"),
            medians["first_p50_ms"],
            "{first_p50_ms:.1f} ms, p99 {first_p99_ms:.1f} ms; 202 after {accepted_p50_ms:.1f} ms".format(**medians),
            rounds,
        ),
    ]


async def _measured(folder: Path, generator: Path) -> dict[str, Any]:
    await asyncio.to_thread(folder.mkdir)
    embedded = Embedded(folder)
    try:
        figures = {"first_start": await embedded.start()}
        await asyncio.sleep(IDLE_SECONDS)
        figures["idle_mb"] = resident_mb(embedded.pid)
        figures |= await _replies(embedded, generator)
        await embedded.stop()
        figures["second_start"] = await embedded.start()
    finally:
        await embedded.stop()
    return figures


async def _replies(embedded: Embedded, generator: Path) -> dict[str, float]:
    client = await sign_in(embedded.address, EMAIL)
    token = client.headers["Authorization"].removeprefix("Bearer ")
    rooms = [f"{await new_room(client)} {token}" for _ in range(10)]
    await client.aclose()

    async def post(replies: int) -> dict[str, Any]:
        return await chat(generator, embedded.address, rooms, body=HELLO, replies=replies)

    await post(1)
    await asyncio.sleep(IDLE_SECONDS)
    replied_mb = resident_mb(embedded.pid)
    await embedded.make_pro()
    await post(WARM_UP)
    figures = await post(SEQUENTIAL_REPLIES)
    return {
        "replied_mb": replied_mb,
        "first_p50_ms": figures["first"]["p50"],
        "first_p99_ms": figures["first"]["p99"],
        "accepted_p50_ms": figures["accepted"]["p50"],
    }
