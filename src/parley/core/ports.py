"""What every module is given instead of reaching for it: the time, new ids, chance, and a throttle."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, aware and UTC."""


class NewId(Protocol):
    def __call__(self) -> UUID:
        """A UUIDv7 (RFC 9562)."""


class Jitter(Protocol):
    def __call__(self) -> float:
        """A random number from 0 up to 1."""


class RateLimiter(Protocol):
    async def take(self, key: str, *, limit: int, per: float) -> float:
        """Count one use of `key` unless `limit` uses fall into the last `per` seconds.

        Returns 0.0 when it was counted, else the seconds until the next use would be. Exact under concurrent calls.
        """
