"""Jobs that every process repeats in the background."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from parley.core.errors import Unavailable
from parley.core.tasks import cancel_and_wait

log = structlog.get_logger("parley.sweeper")

# A cancelled query costs its database connection, but a call to the payment provider may outlast the shutdown.
SHUTDOWN_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """Calls `run` every `seconds`; a number that it returns is how much it found, for the log and the metrics."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[int | None]]


class SweepMeter(Protocol):
    """Metrics of sweeps by name. Raises nothing."""

    def swept(self, sweep: str, found: int) -> None: ...

    def failed(self, sweep: str) -> None: ...


class Sweeper:
    """Runs each sweep on its own schedule. A sweep that raises runs again at its next time.

    Of failures in a row with the same type of exception only the first is logged.
    """

    def __init__(self, *sweeps: Sweep, meter: SweepMeter) -> None:
        self._sweeps = sweeps
        self._meter = meter

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Sweeps while the context is open, first immediately.

        At the end a sweep in progress gets SHUTDOWN_GRACE_SECONDS to finish before it is cancelled.
        """
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self._repeat(sweep, stopping)) for sweep in self._sweeps]
            try:
                yield
            finally:
                stopping.set()
                await asyncio.wait(loops, timeout=SHUTDOWN_GRACE_SECONDS)
                await cancel_and_wait(*loops)

    async def _repeat(self, sweep: Sweep, stopping: asyncio.Event) -> None:
        failures = 0
        last_failure: type[Exception] | None = None
        while not stopping.is_set():
            try:
                found = await sweep.run()
            except Unavailable:
                # The adapter that noticed the outage logs it.
                self._meter.failed(sweep.name)
            except Exception as error:
                if type(error) is not last_failure:
                    log.exception("sweep_failed", sweep=sweep.name)
                failures, last_failure = failures + 1, type(error)
                self._meter.failed(sweep.name)
            else:
                self._meter.swept(sweep.name, found or 0)
                if failures:
                    log.info("sweep_works_again", sweep=sweep.name, failures=failures)
                    failures, last_failure = 0, None
                if found:
                    # A line a second in an outage of the queue; the metrics have the number.
                    log.debug("swept", sweep=sweep.name, found=found)
            with suppress(TimeoutError):
                async with asyncio.timeout(sweep.seconds):
                    await stopping.wait()
