"""What the chat module needs from outside, named by role. Times are aware and UTC; durations are seconds."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import Chunk, Claim, Ending


class ReplyMeter(Protocol):
    """What operators are told of replies, in counts and in log lines; never any text. Raises nothing."""

    def claimed(self, claim: Claim) -> None:
        """From now on this task, and those that it begins, write for that claim."""

    def first_text(self, claim: Claim, at: datetime) -> None:
        """The attempt has its first text. Both times, `at` and the claim's, are those of their machines' clocks."""

    def attempt_failed(self, claim: Claim, code: str) -> None:
        """The model failed; whether there is another attempt is not said. `code` is one of ours."""

    def ended(self, claim: Claim, ending: Ending) -> None:
        """The reply has ended in the database, once."""


class ReplyQueue(Protocol):
    async def put(self, reply_id: UUID) -> None:
        """Tell some worker that this reply may be claimable.

        A hint: it may be lost, repeated or reordered, and a failure to send is logged here and never raised; the
        sweeper finds what was lost.
        """


class StopSignals(Protocol):
    """A nudge to the worker that holds a reply to look at the database now. A hint, as the queue is."""

    async def send(self, reply_id: UUID) -> None:
        """Never raises."""

    def listen(self, reply_id: UUID) -> AbstractAsyncContextManager[asyncio.Event]:
        """An event that is set by every `send` for that reply while the context is open."""


class StreamEnd(Enum):
    """What a stream says besides text."""

    ENDED = "ended"
    CLOSED = "closed"


class StreamSubscription(Protocol):
    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        """The next piece, or ENDED, or CLOSED, or None when `within` seconds brought nothing.

        ENDED says that the reply has ended in the database, and may be lost, as pieces may. CLOSED says that this
        process is leaving: nothing more will come here.
        """


class ReplyStream(Protocol):
    """The text of replies while they are written: a wire, not a store. The database makes up for what it loses."""

    async def append(self, reply_id: UUID, piece: Chunk) -> None:
        """Send a piece to every reader. A piece not after the last one, by attempt and end, is dropped.

        Never raises; what could not be sent is lost.
        """

    async def end(self, reply_id: UUID) -> None:
        """Tell the readers that the database has the end. Never raises."""

    def follow(self, reply_id: UUID) -> AbstractAsyncContextManager[StreamSubscription]:
        """All pieces so far, oldest first, then those to come. A reply without any is just one with none yet."""

    async def text_so_far(self, reply_id: UUID) -> str:
        """The latest attempt's text from its beginning as far as it is known here without a gap; may be empty."""

    def close(self) -> None:
        """From now on every subscription says CLOSED. For a process that must not wait for its readers."""


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page of rooms as its bytes were sent, and their ETag."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Nothing was cached. `generation` proves to `store` that no write came between reading and storing.

    It is another one after every `drop`, and empty when the cache could not be asked: then nothing is stored.
    """

    generation: str


class RoomListCache(Protocol):
    """The first page of each account's rooms. Loses nothing by losing all of it."""

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss: ...

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        """Keep the page, unless `drop` was called since the look-up that missed."""

    async def drop(self, account_id: UUID) -> None:
        """Forget the account's pages of every size."""
