"""Ports of all core modules: time, new ids and tokens, random numbers, outages of a dependency, and a rate limiter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def __call__(self) -> datetime:
        """The current time, aware and UTC."""


class NewId(Protocol):
    def __call__(self) -> UUID:
        """A UUIDv7 (RFC 9562)."""


class NewToken(Protocol):
    def __call__(self) -> str:
        """An opaque, URL-safe token of at least 128 random bits from a cryptographic generator."""


class Jitter(Protocol):
    def __call__(self) -> float:
        """A random number from 0 up to 1."""


class Outage(Protocol):
    """What operators learn of a dependency that is unavailable now and then. Raises nothing."""

    def failed(self, cause: str) -> None:
        """A call failed since the dependency is unavailable. `cause` is one of a few sentences, and holds no values."""

    def succeeded(self) -> None:
        """A call succeeded. Cheap: adapters say so after every call."""


class UnreportedOutage:
    """An Outage that reports nothing, for commands that print what is wrong."""

    def failed(self, cause: str) -> None:
        pass

    def succeeded(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class LimitedUse:
    """One use of `key`, of which any `per` seconds may have at most `limit`."""

    key: str
    limit: int
    per: float


class Leases(Protocol):
    """Named leases, for work that one worker at a time may do."""

    async def take(self, name: str, holder: UUID, *, seconds: float) -> bool:
        """Take or renew the lease, in one conditional statement, by the database's clock. False if another holds it."""

    async def give_back(self, name: str, holder: UUID) -> None:
        """Release the lease; a no-op if another holds it."""


class RateLimiter(Protocol):
    async def take(self, key: str, *, limit: int, per: float) -> float:
        """Count one use of `key` unless the last `per` seconds have `limit` uses already.

        Returns 0.0 if it was counted, otherwise the seconds until the next use would be. Exact under concurrent calls.
        """

    async def take_all(self, *uses: LimitedUse) -> float:
        """As `take` for several keys that differ: all uses are counted, or none if one is beyond its limit."""

    async def give_back_all(self, key: str, *, also: Sequence[str]) -> None:
        """Remove all uses of `key`, and from each key of `also` the uses that were counted in the same calls."""

    async def give_back(self, keys: Sequence[str]) -> None:
        """Remove the latest use of each key; a no-op for a key without uses."""
