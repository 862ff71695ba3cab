"""A rate limiter for one process."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from parley.core.ports import LimitedUse

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
        return await self.take_all(LimitedUse(key, limit, per))

    async def take_all(self, *uses: LimitedUse) -> float:
        # Exact under concurrent calls because nothing is awaited in here.
        now = self._monotonic()
        self._remove_expired(now)
        wait = max(self._wait(use, now) for use in uses)
        if wait > 0:
            return wait
        for use in uses:
            log = self._logs.setdefault(use.key, _Log())
            log.uses.append(now)
            log.expires_at = now + use.per
        return 0.0

    async def give_back_all(self, key: str, *, also: Sequence[str]) -> None:
        removed = self._logs.pop(key, _Log()).uses
        for other in also:
            log = self._logs.get(other, _Log())
            for use in removed:
                if use in log.uses:
                    log.uses.remove(use)

    async def give_back(self, keys: Sequence[str]) -> None:
        for key in keys:
            log = self._logs.get(key)
            if log is not None and log.uses:
                log.uses.pop()

    def _wait(self, use: LimitedUse, now: float) -> float:
        log = self._logs.get(use.key)
        if log is None:
            return 0.0
        while log.uses and log.uses[0] + use.per <= now:
            log.uses.popleft()
        return log.uses[-use.limit] + use.per - now if len(log.uses) >= use.limit else 0.0

    def _remove_expired(self, now: float) -> None:
        if now < self._cleanup_at:
            return
        self._cleanup_at = now + CLEANUP_SECONDS
        self._logs = {key: log for key, log in self._logs.items() if log.expires_at > now}
