"""A throttle for one process."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# How often keys that went quiet are looked for.
SWEEP_SECONDS = 60.0


@dataclass(slots=True)
class _Log:
    """When a key was used, oldest first, and when the last of that stops to count."""

    uses: deque[float] = field(default_factory=deque)
    quiet_at: float = 0.0


class MemoryRateLimiter:
    """A sliding log of at most `limit` times a key. `monotonic` is a clock in seconds that never goes back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._logs: dict[str, _Log] = {}
        self._sweep_at = monotonic() + SWEEP_SECONDS

    @property
    def keys_remembered(self) -> int:
        return len(self._logs)

    async def take(self, key: str, *, limit: int, per: float) -> float:
        # No await in here: that is what makes it exact under concurrent calls.
        now = self._monotonic()
        self._forget_quiet(now)
        log = self._logs.setdefault(key, _Log())
        while log.uses and log.uses[0] + per <= now:
            log.uses.popleft()
        if len(log.uses) >= limit:
            return log.uses[-limit] + per - now
        log.uses.append(now)
        log.quiet_at = now + per
        return 0.0

    def _forget_quiet(self, now: float) -> None:
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        self._logs = {key: log for key, log in self._logs.items() if log.quiet_at > now}
