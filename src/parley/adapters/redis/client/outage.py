"""An outage of Redis as one state, with one line in the log when it begins and one when it ends."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from parley.adapters.redis.client.faults import Cause, Fault

log = structlog.get_logger("parley.redis")

# How long nothing may have failed before an outage is over: else one that comes and goes would fill the log.
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

    def __init__(self, meter: RedisMeter | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.begun = asyncio.Event()
        self._last_failure_at = float("-inf")
        self._meter = meter or NoMeter()
        self._monotonic = monotonic
        self._causes: set[Cause] = set()
        self._began_at = 0.0
        self._failures = 0
        self._hints_lost = 0

    @property
    def lasts(self) -> bool:
        return self.begun.is_set()

    def failed_since(self, moment: float) -> bool:
        return self._last_failure_at > moment

    def failed(self, fault: Fault) -> None:
        self._last_failure_at = self._monotonic()
        self._meter.failed(fault.code)
        self._failures += 1
        self._causes.add(fault.cause)
        if not self.lasts:
            self._began_at = self._last_failure_at
            self.begun.set()
            self._meter.outage(True)
            log.warning("redis_outage", cause=fault.cause.name.lower(), code=fault.code, detail=f"Redis {fault}")

    def hint_lost(self) -> None:
        """Count an id that could not be queued; a sweep finds it."""
        self._meter.hint_lost()
        self._hints_lost += 1

    def passed(self) -> None:
        """A probe found no fault: the outage is over if nothing else has failed for QUIET_SECONDS."""
        now = self._monotonic()
        if not self.lasts or now - self._last_failure_at < QUIET_SECONDS:
            return
        log.info(
            "redis_outage_ended",
            seconds=round(now - self._began_at, 1),
            failures=self._failures,
            causes=sorted(cause.name.lower() for cause in self._causes),
            not_queued=self._hints_lost,
        )
        self.begun.clear()
        self._meter.outage(False)
        self._causes, self._failures, self._hints_lost = set(), 0, 0
