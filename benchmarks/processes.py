"""What processes use while something is measured, from /proc."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.town import Town

TICKS = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return _kilobytes(pid, "VmRSS") / 1024


def cpu_seconds(pid: int) -> float:
    """Of the process and of its children, such as PostgreSQL's."""
    try:
        # Behind the name, which may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        # Ended since it was found: its parent has its time.
        return 0.0
    # In user and kernel, its own and that of children that have ended.
    return sum(int(field) for field in fields[11:15]) / TICKS + sum(cpu_seconds(int(child)) for child in children)


async def processes_of(town: Town) -> dict[str, int]:
    """The town's processes by their names."""
    async with town.database() as connection:
        postgres = await connection.fetchval("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int")
    redis = Redis.from_url(town.redis_url)
    told = await redis.info("server")
    await redis.aclose()
    return {"api": town.api_pid, "worker": town.worker_pid, "redis": int(told["process_id"]), "postgres": postgres}


@dataclass
class Watch:
    """Samples of every second: the moment, and the CPU seconds by name."""

    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    most_mb: dict[str, float] = field(default_factory=dict)

    def cpu_percent(self, *, without_first: int = 0, without_last: int = 0) -> dict[str, float]:
        """100 is one core. Without so many samples at either end, if there are as many."""
        kept = self.samples[without_first : len(self.samples) - without_last]
        if len(kept) < 2:
            kept = self.samples
        (begun, before), (ended, after) = kept[0], kept[-1]
        return {name: round(100 * (after[name] - before[name]) / (ended - begun), 1) for name in before}


@asynccontextmanager
async def watched(processes: Mapping[str, int]) -> AsyncIterator[Watch]:
    watch = Watch()

    async def look() -> None:
        while True:
            watch.samples.append((time.monotonic(), {name: cpu_seconds(pid) for name, pid in processes.items()}))
            for name, pid in processes.items():
                watch.most_mb[name] = max(watch.most_mb.get(name, 0.0), resident_mb(pid))
            await asyncio.sleep(1)

    looking = asyncio.create_task(look())
    try:
        yield watch
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def _kilobytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
