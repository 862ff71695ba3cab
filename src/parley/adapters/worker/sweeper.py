"""What every worker does again and again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

log = structlog.get_logger("parley.sweeper")


@dataclass(frozen=True, slots=True)
class Sweep:
    """`run` every `seconds`; a number that it returns says how much it found, for the log."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[int | None]]


class Sweeper:
    def __init__(self, *sweeps: Sweep) -> None:
        self._sweeps = sweeps

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Sweeps while the context is open, first at once."""
        async with asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(_repeat(sweep)) for sweep in self._sweeps]
            try:
                yield
            finally:
                for loop in loops:
                    loop.cancel()


async def _repeat(sweep: Sweep) -> None:
    while True:
        try:
            found = await sweep.run()
        except Exception:
            # The next round may find the database back.
            log.exception("sweep_failed", sweep=sweep.name)
        else:
            if found:
                log.info("swept", sweep=sweep.name, found=found)
        await asyncio.sleep(sweep.seconds)
