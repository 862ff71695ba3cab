"""What every worker does again and again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger("parley.sweeper")

# A query that is cut off costs its connection; a question to the payment provider may take longer than leaving may.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """`run` every `seconds`; a number that it returns says how much it found, for the log."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[int | None]]


class SweepMeter(Protocol):
    """What operators are told of sweeps by name. Raises nothing."""

    def swept(self, sweep: str, found: int) -> None: ...

    def failed(self, sweep: str) -> None: ...


class Sweeper:
    def __init__(self, *sweeps: Sweep, meter: SweepMeter) -> None:
        self._sweeps = sweeps
        self._meter = meter

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Sweeps while the context is open, first at once. At its end a sweep has PATIENCE_SECONDS to end by itself."""
        leaving = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self._repeat(sweep, leaving)) for sweep in self._sweeps]
            try:
                yield
            finally:
                leaving.set()
                await asyncio.wait(loops, timeout=PATIENCE_SECONDS)
                for loop in loops:
                    loop.cancel()

    async def _repeat(self, sweep: Sweep, leaving: asyncio.Event) -> None:
        while not leaving.is_set():
            try:
                found = await sweep.run()
            except Exception:
                # The next round may find the database back.
                log.exception("sweep_failed", sweep=sweep.name)
                self._meter.failed(sweep.name)
            else:
                self._meter.swept(sweep.name, found or 0)
                if found:
                    log.info("swept", sweep=sweep.name, found=found)
            with suppress(TimeoutError):
                async with asyncio.timeout(sweep.seconds):
                    await leaving.wait()
