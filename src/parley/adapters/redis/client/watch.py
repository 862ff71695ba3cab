"""Probing Redis in the background and for health checks."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from parley.adapters.redis.client.background import running_in_background
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.faults import Fault
from parley.adapters.redis.client.probe import find_fault

# Without an outage, so that a process that asks nothing of Redis notices one.
QUIET_INTERVAL_SECONDS = 5.0
OUTAGE_INTERVAL_SECONDS = 1.0
# How long the result of a probe is good, and how long after a failure.
FRESH_SECONDS = 2.0
FRESH_SECONDS_AFTER_FAILURE = 0.2
PROBE_SECONDS = 1.5


class RedisWatch:
    """Probes one client's Redis, one probe at a time. An outage of the client ends only here."""

    def __init__(
        self,
        client: RedisClient,
        *,
        quiet_interval: float = QUIET_INTERVAL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Probes every `quiet_interval` seconds while there is no outage. `monotonic` is the clock of the client's."""
        self._client = client
        self._quiet_interval = quiet_interval
        self._monotonic = monotonic
        self._probing = asyncio.Lock()
        self._fault: Fault | None = None
        self._probed_at = float("-inf")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        async with running_in_background(self._watch()):
            yield

    async def fault(self) -> Fault | None:
        """What a probe of the last FRESH_SECONDS found; after a failure of a command, what a newer one finds."""
        async with self._probing:
            age = self._monotonic() - self._probed_at
            failed_since = self._client.outage.failed_since(self._probed_at)
            if age >= (FRESH_SECONDS_AFTER_FAILURE if failed_since else FRESH_SECONDS):
                await self._probe()
            return self._fault

    async def check(self) -> bool | str:
        """True without a `fault`, otherwise a sentence about it."""
        fault = await self.fault()
        return True if fault is None else f"Redis {fault}"

    async def _probe(self) -> None:
        self._fault = await find_fault(self._client, within=PROBE_SECONDS)
        if self._fault is None:
            self._client.outage.passed()
        else:
            self._client.outage.failed(self._fault)
        self._probed_at = self._monotonic()

    async def _watch(self) -> None:
        outage = self._client.outage
        while True:
            async with self._probing:
                await self._probe()
            if outage.lasts:
                await asyncio.sleep(OUTAGE_INTERVAL_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._quiet_interval):
                    await outage.begun.wait()
