"""A LoopLag whose samples the test chooses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import LagMeter
from parley.runtime.loop_lag import BEGINS_SECONDS, ENDS_SECONDS, LoopLag

LATE, SLOWER, ON_TIME = BEGINS_SECONDS + 0.1, ENDS_SECONDS + 0.1, 0.0
PATIENCE = 30.0


class VirtualLag:
    """A LoopLag whose sleeps last as long as the test says."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.lag = LoopLag(LagMeter(self.metrics), monotonic=lambda: self._now, sleep=self._sleep)
        self._now = 0.0
        self._lags: asyncio.Queue[float] = asyncio.Queue()
        self._asleep = asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        if self._lags.empty():
            self._asleep.set()
        self._now += seconds + await self._lags.get()

    async def sample(self, *lags: float) -> bool:
        """Whether the process is overloaded after these samples."""
        self._asleep.clear()
        for lag in lags:
            self._lags.put_nowait(lag)
        await self._asleep.wait()
        return self.lag.overloaded()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["VirtualLag", None]:
        async with asyncio.timeout(PATIENCE), self.lag.running():
            await self._asleep.wait()
            yield self
