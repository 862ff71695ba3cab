"""Logging an outage as a state: a line when it begins, one when it ends, and none for each call that fails."""

import time
from collections.abc import Callable
from contextvars import Context

import structlog

log = structlog.get_logger("parley.outages")

# A success so soon after a failure may be one among failing calls, and ends nothing.
SETTLED_SECONDS = 3.0


class OutageLog:
    """Logs when a dependency becomes unavailable and when it is back, with the number of failures in between.

    `part` is its name in the log. Each further cause of one outage is logged once too, so causes must be of a small
    set: sentences without values. `monotonic` is a clock in seconds that never goes back.
    """

    def __init__(self, part: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._part = part
        self._monotonic = monotonic
        self._causes: list[str] = []
        self._began_at = 0.0
        self._failed_at = 0.0
        self._succeeded_at: float | None = None
        self._failures = 0

    @property
    def is_unavailable(self) -> bool:
        return bool(self._causes)

    def failed(self, cause: str) -> None:
        """A call failed because the dependency is unavailable."""
        self._failed_at = self._monotonic()
        if not self._causes:
            self._began_at = self._failed_at
            self._failures = 0
        self._failures += 1
        self._succeeded_at = None
        if cause not in self._causes:
            event = "outage_goes_on" if self._causes else "outage_began"
            self._causes.append(cause)
            self._log(log.warning, event, cause=cause)

    def succeeded(self) -> None:
        """A call succeeded. The outage is over once no call has failed for SETTLED_SECONDS."""
        if not self._causes:
            return
        now = self._monotonic()
        if self._succeeded_at is None:
            self._succeeded_at = now
        if now - self._failed_at < SETTLED_SECONDS:
            return
        self._causes = []
        seconds = round(self._succeeded_at - self._began_at, 1)
        self._log(log.info, "outage_ended", seconds=seconds, failures=self._failures)

    def _log(self, write: Callable[..., None], event: str, **values: object) -> None:
        # An outage is not of the request or reply that noticed it.
        Context().run(write, event, part=self._part, **values)
