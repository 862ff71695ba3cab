"""An outage of Redis as one state of this process."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from parley.adapters.redis.client.faults import Fault
from parley.core.ports import Outage, UnreportedOutage

# How long nothing may have failed before an outage is over.
QUIET_SECONDS = 3.0


class RedisMeter(Protocol):
    """Metrics of a process' Redis. Raises nothing."""

    def outage(self, lasts: bool) -> None: ...

    def failed(self, code: str) -> None: ...

    def hint_lost(self) -> None: ...


class NoMeter:
    """A RedisMeter that counts nothing."""

    def outage(self, lasts: bool) -> None: ...

    def failed(self, code: str) -> None: ...

    def hint_lost(self) -> None: ...


class RedisOutage:
    """Whether Redis fails, as this process sees it.

    Any failure begins an outage, and only a probe that passes ends it: a success of one command says little of others.
    """

    def __init__(
        self,
        report: Outage | None = None,
        meter: RedisMeter | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.begun = asyncio.Event()
        self._report = report or UnreportedOutage()
        self._meter = meter or NoMeter()
        self._monotonic = monotonic
        self._last_failure_at = float("-inf")

    @property
    def lasts(self) -> bool:
        return self.begun.is_set()

    def failed_since(self, moment: float) -> bool:
        return self._last_failure_at > moment

    def failed(self, fault: Fault) -> None:
        self._last_failure_at = self._monotonic()
        self._report.failed(f"Redis {fault}")
        self._meter.failed(fault.code)
        if not self.lasts:
            self.begun.set()
            self._meter.outage(True)

    def hint_lost(self) -> None:
        """Count an id that could not be queued; a sweep finds it."""
        self._meter.hint_lost()

    def passed(self) -> None:
        """A probe found no fault: the outage is over if nothing else has failed for QUIET_SECONDS."""
        self._report.succeeded()
        if self.lasts and self._monotonic() - self._last_failure_at >= QUIET_SECONDS:
            self.begun.clear()
            self._meter.outage(False)
