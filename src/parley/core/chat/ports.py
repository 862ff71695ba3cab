"""The chat module's ports other than storage. Times are aware and in UTC, durations in seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from parley.core.chat.circuit_breaker import CircuitState
from parley.core.chat.model import Chunk, Claim, Ending
from parley.core.chat.parts import Part
from parley.core.chat.rating import Rating
from parley.core.chat.tokens import Spent


class ReplyMeter(Protocol):
    """Counts and logs what happens to replies, for operators; never their text. Raises nothing."""

    def claimed(self, claim: Claim) -> None:
        """A claim was taken; log lines of this task and its child tasks belong to it."""

    def first_text(self, claim: Claim, at: datetime) -> None:
        """The attempt received its first text. `at` and the claim's time may come from different machines' clocks."""

    def attempt_failed(self, claim: Claim, code: str) -> None:
        """The model failed; another attempt may or may not follow. `code` is that of a ModelFailed."""

    def fell_back(self, model: str, to: str) -> None:
        """A reply is asked of another model, as its own failed or has an open circuit breaker. Both are offered."""

    def rated(self, model: str, rating: Rating) -> None:
        """An account rated a reply of the model, for the first time or otherwise than before."""

    def circuit_changed(self, model: str, state: CircuitState) -> None:
        """The circuit breaker of a model, which replies ask for, has a new state."""

    def ended(self, claim: Claim, ending: Ending) -> None:
        """The reply has ended in the database. Called once for each reply."""

    def titled(self, model: str) -> None:
        """The model has written the title of a room."""

    def title_failed(self, model: str, code: str) -> None:
        """No title will be written. `code` is that of the last ModelFailed. Called once for each room."""


class ModelPrices(Protocol):
    async def cost(self, model: str, spent: Spent, *, cached: int = 0) -> int | None:
        """What one request to the model costs, in billionths of a US dollar; None if its price is not known.

        `cached` of the input tokens were read from the provider's cache. Of several requests the sum is to be taken, as
        some prices depend on the size of one. Never raises.
        """


class ReplyQueue(Protocol):
    async def put(self, reply_id: UUID) -> None:
        """Notify a worker that this reply may be claimable.

        A hint, which may be lost, repeated or reordered: the sweeper finds what was lost. A failure to send it is
        logged and not raised.
        """


class TitleQueue(Protocol):
    async def put(self, room_id: UUID) -> None:
        """Notify a worker that the title of this room may be claimable. A hint, as those of ReplyQueue."""


class StopSignals(Protocol):
    """Makes the worker that holds a reply read the database now. A hint, which may be lost."""

    async def send(self, reply_id: UUID) -> None:
        """Never raises."""

    def listen(self, reply_id: UUID) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set by every `send` for that reply while the context is open."""


class RoomSignals(Protocol):
    """Makes the readers of a room in other processes read the database now. A hint, which may be lost."""

    async def send(self, room_id: UUID) -> None:
        """Never raises."""

    def listen(self, room_id: UUID, on_signal: Callable[[], None]) -> AbstractContextManager[None]:
        """While the context is open, `on_signal` is called at every `send` for that room.

        Also when signals may have been lost before, so at least once when listening has begun.
        """


class StreamEnd(Enum):
    """What a stream delivers besides chunks."""

    ENDED = "ended"
    CLOSED = "closed"


class StreamSubscription(Protocol):
    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        """The next chunk, or ENDED, or CLOSED, or None if nothing arrived within `within` seconds.

        ENDED means that the database should be read for an end. It may be lost, as chunks may. CLOSED means that this
        process is shutting down, and nothing follows.
        """


class ReplyStream(Protocol):
    """Carries the parts of replies to readers while they are written. What it loses is in the database at the end."""

    @property
    def interrupted(self) -> bool:
        """Whether chunks may not arrive now, so that the database should carry the parts meanwhile."""

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        """Send a chunk to every reader; it is dropped unless its attempt and end come after those of the last one.

        Never raises; what cannot be sent is lost.
        """

    async def end(self, reply_id: UUID) -> None:
        """Send ENDED to every reader; to be called after the commit. Never raises."""

    def follow(self, reply_id: UUID) -> AbstractAsyncContextManager[StreamSubscription]:
        """All chunks of the latest attempt so far, oldest first, then those to come. Any reply_id is valid."""

    async def parts_so_far(self, reply_id: UUID) -> tuple[Part, ...]:
        """The latest attempt's parts from its beginning up to the first gap; empty if nothing is known here."""

    def close(self) -> None:
        """Send CLOSED to every present and future subscription, as shutdown must not wait for readers."""


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A rendered page of rooms and its ETag."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Nothing was cached. `generation` lets `store` detect a write between the look-up and the storing.

    It changes with every `drop`, and is empty if the cache does not answer: then nothing is stored.
    """

    generation: str


class RoomListCache(Protocol):
    """The first page of each account's rooms. May forget any page at any time."""

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss: ...

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        """Store the page unless `drop` was called since the look-up that returned `missed`."""

    async def drop(self, account_id: UUID, *meanwhile: Awaitable[None]) -> None:
        """Delete the account's pages of every size.

        What happens `meanwhile`, which raises nothing, is awaited too: a cache on a server sends all in one trip.
        """
