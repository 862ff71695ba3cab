"""Runs the compiled load generator: the clients of chat_clients.c and the model of model_server.c.

    generator = await compiled(folder)                   # the program
    async with model(generator) as served: served.url    # an OPENAI_BASE_URL whose replies are as `message` asks
    figures = await chat(generator, deployment.api, rooms, body=message(20), clients=32, seconds=8, deltas=20)

`chat` returns what chat_clients.c prints: counts, and times in ms as {"count", "p50", "p90", "p99", "p999", "max"} in
`accepted` (message to its 202), `first` (to the first delta), `done` (to the end), `lag` and `steady` (a delta from the
model to the client). `trouble` holds the messages of the first clients that failed.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.process import answers
from tests.servers.redis_server import free_port

SOURCES = ("load_generator.c", "http_response.c", "model_server.c", "chat_clients.c")
PATIENCE = 120


class LoadGeneratorError(Exception):
    """The measurement is invalid: requests failed, or text was lost."""


@dataclass(frozen=True)
class ServedModel:
    url: str
    pid: int


async def compiled(folder: Path) -> Path:
    program = folder / "load_generator"
    here = Path(__file__).parent
    compiler = os.environ.get("CC", "cc")
    compiling = await asyncio.create_subprocess_exec(
        compiler, "-O2", "-o", str(program), *(str(here / source) for source in SOURCES)
    )
    if await compiling.wait():
        raise LoadGeneratorError(f"{compiler} could not compile benchmarks/load_generator.c.")
    return program


@asynccontextmanager
async def model(generator: Path) -> AsyncIterator[ServedModel]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(generator, "model", "--port", str(port))
    try:
        await answers(f"http://127.0.0.1:{port}/", process)
        yield ServedModel(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        process.kill()
        await process.wait()


def message(deltas: int, *, every_ms: int = 0) -> str:
    """The body of a message to which `model` replies with so many deltas."""
    return json.dumps({"content": f"[[deltas {deltas} every {every_ms}]]", "model": "openai/compiled"})


async def chat(
    generator: Path,
    api: str,
    rooms: Sequence[str],
    *,
    body: str,
    clients: int = 1,
    seconds: float = 0,
    replies: int = 0,
    deltas: int = 0,
    ramp_ms: int = 0,
    patience: int = PATIENCE,
    may_fail: bool = False,
) -> dict[str, Any]:
    """Post for `seconds`, or for `replies`; each of `rooms` is «id token».

    Raises LoadGeneratorError for an incomplete reply, unless it `may_fail`.
    """
    options = {"port": urlsplit(api).port, "body": body, "clients": clients, "seconds": seconds, "replies": replies}
    options |= {"deltas": deltas, "ramp": ramp_ms, "timeout": patience}
    words = [word for name, value in options.items() if value for word in (f"--{name}", str(value))]
    process = await asyncio.create_subprocess_exec(
        *(str(generator), "chat", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience + PATIENCE):
            out, err = await process.communicate("\n".join(rooms).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if not out or (process.returncode and not may_fail):
        raise LoadGeneratorError(f"Clients failed: {out.decode()} {err.decode(errors='replace')[:1_000]}")
    figures: dict[str, Any] = json.loads(out) | {"trouble": err.decode(errors="replace")[:1_000]}
    if figures["miscounted"] and not may_fail:
        raise LoadGeneratorError(f"{figures['miscounted']} of {figures['finished']} replies were incomplete.")
    return figures
