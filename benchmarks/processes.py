"""CPU time and memory of processes during a measurement, from /proc."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.deployment import Deployment

TICKS = os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return _kilobytes(pid, "VmRSS") / 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of the process and of its children, such as PostgreSQL's."""
    try:
        # After the name, which may contain spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        # It has ended, and its time counts for its parent.
        return 0.0
    # utime, stime and those of children that have ended.
    return sum(int(field) for field in fields[11:15]) / TICKS + sum(cpu_seconds(int(child)) for child in children)


async def processes_of(deployment: Deployment) -> dict[str, int]:
    """The ids of the deployment's processes by name."""
    async with deployment.database() as connection:
        postgres = await connection.fetchval("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int")
    redis = Redis.from_url(deployment.redis_url)
    info = await redis.info("server")
    await redis.aclose()
    return {
        "api": deployment.api_pid,
        "worker": deployment.worker_pid,
        "redis": int(info["process_id"]),
        "postgres": postgres,
    }


@dataclass
class ResourceUsage:
    """One sample a second: the time, and the CPU seconds by process name."""

    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    max_mb: dict[str, float] = field(default_factory=dict)

    def cpu_percent(self, *, without_first: int = 0, without_last: int = 0) -> dict[str, float]:
        """100 is one core. Leaves out samples at both ends, if enough remain."""
        used = self.samples[without_first : len(self.samples) - without_last]
        if len(used) < 2:
            used = self.samples
        (started, before), (ended, after) = used[0], used[-1]
        return {name: round(100 * (after[name] - before[name]) / (ended - started), 1) for name in before}


@asynccontextmanager
async def sampled(processes: Mapping[str, int]) -> AsyncIterator[ResourceUsage]:
    usage = ResourceUsage()

    async def sample() -> None:
        while True:
            usage.samples.append((time.monotonic(), {name: cpu_seconds(pid) for name, pid in processes.items()}))
            for name, pid in processes.items():
                usage.max_mb[name] = max(usage.max_mb.get(name, 0.0), resident_mb(pid))
            await asyncio.sleep(1)

    sampling = asyncio.create_task(sample())
    try:
        yield usage
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling


def _kilobytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
