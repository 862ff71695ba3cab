"""HTTP load by wrk, which uses far less of the machine than a client in Python."""

import asyncio
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "wrk.lua"


@dataclass(frozen=True)
class Load:
    """The result of one run. `failed` includes responses with a status of 400 and above."""

    requests: int
    seconds: float
    failed: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: install it (apt-get install wrk, brew install wrk)")


async def get(address: str, headers: Mapping[str, str], *, connections: int, seconds: float) -> Load:
    """Repeat one GET request."""
    named = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    return await _run(*named, address, connections=connections, seconds=seconds)


async def paced_get(address: str, headers: Mapping[str, str], *, connections: int, rate: float, seconds: float) -> Load:
    """The same at about `rate` requests a second: each connection pauses between its requests, for random times."""
    named = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    pause = f"{2_000 * connections / rate:.0f}"
    return await _run(*named, address, "--", "pause", pause, connections=connections, seconds=seconds)


async def put(address: str, headers: Mapping[str, str], body: str, *, connections: int, seconds: float) -> Load:
    """Repeat one PUT request with a JSON body."""
    named = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    return await _run(*named, address, "--", "put", body, connections=connections, seconds=seconds)


async def post(api: str, targets: Path, *, connections: int, seconds: float) -> Load:
    """Post messages to the rooms in `targets`, whose lines are «path token»."""
    arguments = ("--", str(targets), secrets.token_hex(8))
    return await _run(api, *arguments, connections=connections, seconds=seconds)


async def _run(*arguments: str, connections: int, seconds: float) -> Load:
    """Raises RuntimeError if any request failed."""
    process = await asyncio.create_subprocess_exec(
        *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:g}s"),
        *("--timeout", "30s", "--script", str(SCRIPT), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written = (await process.communicate())[0].decode()
    last = written.rstrip().rpartition("\n")[2]
    if process.returncode or not last.startswith("{"):
        raise RuntimeError(f"wrk failed:\n{written}")
    load = Load(**json.loads(last))
    if load.failed or not load.requests:
        raise RuntimeError(f"{load.failed} requests of {load.requests} failed:\n{written}")
    return load
