"""A rate limiter for one process."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

# How often expired keys are removed.
CLEANUP_SECONDS = 60.0


@dataclass(slots=True)
class _Log:
    """The times at which a key was used, oldest first, and the time at which the last of them expires."""

    uses: deque[float] = field(default_factory=deque)
    expires_at: float = 0.0


class MemoryRateLimiter:
    """A sliding log of at most `limit` times a key. `monotonic` is a clock in seconds that never goes back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._logs: dict[str, _Log] = {}
        self._cleanup_at = monotonic() + CLEANUP_SECONDS

    @property
    def keys_remembered(self) -> int:
        return len(self._logs)

    async def take(self, key: str, *, limit: int, per: float) -> float:
        # Exact under concurrent calls because nothing is awaited in here.
        now = self._monotonic()
        self._remove_expired(now)
        log = self._logs.setdefault(key, _Log())
        while log.uses and log.uses[0] + per <= now:
            log.uses.popleft()
        if len(log.uses) >= limit:
            return log.uses[-limit] + per - now
        log.uses.append(now)
        log.expires_at = now + per
        return 0.0

    def _remove_expired(self, now: float) -> None:
        if now < self._cleanup_at:
            return
        self._cleanup_at = now + CLEANUP_SECONDS
        self._logs = {key: log for key, log in self._logs.items() if log.expires_at > now}
