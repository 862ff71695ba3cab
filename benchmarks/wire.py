"""The compiled load and model, wire*.c, from Python.

    wire = await compiled(folder)                        # the program
    async with model(wire) as served: served.url         # an OPENAI_BASE_URL; its replies are as `says` asks
    figures = await chat(wire, town.api, token, rooms, body=says(20), clients=32, seconds=8, deltas=20)

`chat` gives what wire_chat.c prints: counts, and times in ms as {"count", "p50", "p90", "p99", "p999", "max"} under
`accepted` (message to its 202), `first` (to the first delta), `done` (to the end), `lag` and `steady` (a delta from the
model to here); `trouble` is what the first clients that failed said.
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

from tests.e2e.process import answers, free_port

SOURCES = ("wire.c", "wire_http.c", "wire_model.c", "wire_chat.c")
PATIENCE = 120


class WireError(Exception):
    """What was measured is worth nothing: requests failed, or text was lost."""


@dataclass(frozen=True)
class ServedModel:
    url: str
    pid: int


async def compiled(folder: Path) -> Path:
    program = folder / "wire"
    here = Path(__file__).parent
    compiler = os.environ.get("CC", "cc")
    compiling = await asyncio.create_subprocess_exec(
        compiler, "-O2", "-o", str(program), *(str(here / source) for source in SOURCES)
    )
    if await compiling.wait():
        raise WireError(f"{compiler} could not compile benchmarks/wire.c.")
    return program


@asynccontextmanager
async def model(wire: Path) -> AsyncIterator[ServedModel]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(wire, "model", "--port", str(port))
    try:
        await answers(f"http://127.0.0.1:{port}/", process)
        yield ServedModel(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        process.kill()
        await process.wait()


def says(deltas: int, *, every_ms: int = 0) -> str:
    """The body of a message to which `model` replies so."""
    return json.dumps({"content": f"[[deltas {deltas} every {every_ms}]]", "model": "openai/wire"})


async def chat(
    wire: Path,
    api: str,
    token: str,
    rooms: Sequence[object],
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
    """`seconds` or `replies` bounds it. Raises WireError unless every reply came whole and just once, or `may_fail`."""
    options = {"port": urlsplit(api).port, "body": body, "clients": clients, "seconds": seconds, "replies": replies}
    options |= {"deltas": deltas, "ramp": ramp_ms, "patience": patience}
    words = [word for name, value in options.items() if value for word in (f"--{name}", str(value))]
    process = await asyncio.create_subprocess_exec(
        *(str(wire), "chat", *words),
        env={"WIRE_TOKEN": token},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience + PATIENCE):
            out, err = await process.communicate("".join(f"{room}\n" for room in rooms).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if not out or (process.returncode and not may_fail):
        raise WireError(f"Clients failed: {out.decode()} {err.decode(errors='replace')[:1_000]}")
    figures: dict[str, Any] = json.loads(out) | {"trouble": err.decode(errors="replace")[:1_000]}
    if figures["miscounted"] and not may_fail:
        raise WireError(f"{figures['miscounted']} of {figures['finished']} replies did not come whole.")
    return figures
