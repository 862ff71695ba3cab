"""The clock of leases on SQLite, which one process uses: it only goes forward.

The machine's clock may be set back while replies wait. A time that was stored before would then lie in the future, and
its room would wait until the clock is there again.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

SQL_NAME = "forward_time"


class ForwardClock:
    """The time of day when it was made, and the seconds since then by `monotonic`, which nobody sets."""

    def __init__(self, *, started_at: datetime, monotonic: Callable[[], float]) -> None:
        self._started_at = started_at
        self._monotonic = monotonic
        self._start = monotonic()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=self._monotonic() - self._start)

    def text(self, seconds: float) -> str:
        """So many seconds from now, as SQLAlchemy writes times: SQLite keeps them as text and compares them as such."""
        return (self.now() + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


PROCESS_CLOCK = ForwardClock(started_at=datetime.now(UTC), monotonic=time.monotonic)
