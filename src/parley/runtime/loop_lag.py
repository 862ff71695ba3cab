"""How late the event loop of this process runs, and whether that is an overload."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from parley.core.tasks import cancel_and_wait

log = structlog.get_logger("parley.load")

SAMPLE_SECONDS = 0.2
# An overload begins when all of the latest samples are above the one limit, and ends when all are below the other. A
# single long pause, as that of a garbage collection, is no overload; a queue that stays is (RFC 8289, section 4.2).
SAMPLES = 5
BEGINS_SECONDS = 0.5
ENDS_SECONDS = 0.1


class LagMeter(Protocol):
    """Metrics of the event loop. Raises nothing."""

    def lagged(self, seconds: float) -> None: ...

    def overloaded(self, now: bool) -> None: ...


class LoopLag:
    """Samples by how much a sleep of SAMPLE_SECONDS is late.

    `monotonic` is a clock in seconds, `sleep` waits as asyncio.sleep does.
    """

    def __init__(
        self,
        meter: LagMeter,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._meter = meter
        self._monotonic = monotonic
        self._sleep = sleep
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._recovered = asyncio.Event()
        self._recovered.set()

    def overloaded(self) -> bool:
        """Whether this process should take no new work."""
        return not self._recovered.is_set()

    async def recovered(self) -> None:
        """Return once the process is not overloaded; at once if it is not."""
        await self._recovered.wait()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Samples while the context is open."""
        sampling = asyncio.create_task(self._sample())
        try:
            yield
        finally:
            await cancel_and_wait(sampling)
            self._recovered.set()

    async def _sample(self) -> None:
        while True:
            started = self._monotonic()
            await self._sleep(SAMPLE_SECONDS)
            self._judge(max(0.0, self._monotonic() - started - SAMPLE_SECONDS))

    def _judge(self, lag: float) -> None:
        self._samples.append(lag)
        self._meter.lagged(lag)
        if len(self._samples) < SAMPLES:
            return
        if not self.overloaded() and min(self._samples) > BEGINS_SECONDS:
            self._recovered.clear()
            self._meter.overloaded(True)
            log.warning("overloaded", lag=round(lag, 3))
        elif self.overloaded() and max(self._samples) < ENDS_SECONDS:
            self._recovered.set()
            self._meter.overloaded(False)
            log.info("overload_ended")
