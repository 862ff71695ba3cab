"""What the chat module needs from outside, named by role. Times are aware and UTC; durations are seconds."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import (
    Allowance,
    Claim,
    Conversation,
    Ending,
    Finished,
    IdempotencyKey,
    Lease,
    Message,
    Piece,
    Room,
    RoomCursor,
    TokenUsage,
    Turn,
)


class Rooms(Protocol):
    """The rooms of all accounts. A room is only ever found together with the account that owns it."""

    async def add(self, room: Room) -> None: ...

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None: ...

    async def page(self, account_id: UUID, *, after: RoomCursor | None, limit: int) -> list[Room]:
        """At most `limit` rooms, latest activity first, those that follow `after` in that order."""

    async def ids(self, account_id: UUID) -> list[UUID]:
        """All rooms of the account, oldest first."""

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        """Write those of name, model and instructions that are named. False when the room is gone or another's."""

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        """Remove the room with its messages. False when there was none of this account."""

    async def reserve(self, room_id: UUID, account_id: UUID, *, at: datetime) -> tuple[Room, int] | None:
        """Take the next two positions of the room and note its activity, in one statement.

        The room stays locked until the unit of work ends, so positions follow the order of commits. Returns the room
        and the first of the two, or None when the account has no such room.
        """


class Messages(Protocol):
    async def add_exchange(
        self, question: Message, reply: Message, *, account_id: UUID, charged_on: date, most_pending: int
    ) -> bool:
        """Write a user's message and its pending reply; `charged_on` is the day whose quota paid.

        False, and nothing written, when the account has `most_pending` unfinished replies already. That is exact in a
        unit of work that has taken quota.
        """

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None: ...

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        """A reply with the user's message before it, that one first. The caller owns the room."""

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        """The `limit` messages with the highest positions below `before`, oldest first; none of another's room."""

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        """The `limit` messages with the lowest positions above that one, oldest first. The caller owns the room."""

    async def said_before(self, room_id: UUID, position: int, *, limit: int) -> list[tuple[int, Turn]]:
        """Up to `limit` turns below `position`, newest first, each with its position.

        Left out are failed and unfinished replies and empty ones.
        """


class Replies(Protocol):
    """The running state of replies. Every time here is the database's clock, never this machine's.

    A reply is claimable when it is pending and due, or its lease ran out, and no earlier reply of its room is
    unfinished. Writes by a claim carry its attempt: those of an overtaken claim change nothing and say so.
    """

    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        """Take a claimable reply for `lease` seconds and raise its attempt, in one statement. None: not claimable."""

    async def renew(self, claim: Claim, *, lease: float) -> Lease: ...

    async def end(self, claim: Claim, ending: Ending) -> bool:
        """Write text, status and usage. False when the claim was overtaken or the room is gone."""

    async def put_off(self, claim: Claim, *, seconds: float) -> bool:
        """Make the reply pending again, due in `seconds`, at once if it is to stop, and count a failure.

        False as for `end`.
        """

    async def hand_back(self, claim: Claim) -> bool:
        """Make the reply pending and due at once, as a worker does that is told to leave. False as for `end`."""

    async def request_stop(self, reply_id: UUID) -> bool:
        """Flag an unfinished reply for the worker that has it or takes it next. False when it has ended."""

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        """End a reply that nobody holds a lease of, as a new attempt. None when it is held or has ended."""

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        """The room's first unfinished reply."""

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        """Claimable replies that the queue should have delivered by now, oldest first.

        Overdue is one whose lease ran out, whose delay is over, or that waits for `patience` seconds since it was put
        on the queue; taking it starts that wait anew, so that many sweepers do not queue it over and over.
        """


class Quota(Protocol):
    """The day's messages of an account; which limit applies is not chat's business."""

    async def take(self, account_id: UUID, *, now: datetime) -> Allowance:
        """Count one message of the UTC day, in one conditional statement.

        Raises QuotaExceeded, with nothing counted.
        """

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        """What is left, with nothing counted."""

    async def give_back(self, account_id: UUID, *, day: date) -> None:
        """Uncount one message of that day. The caller makes sure that it happens once."""

    async def add_tokens(self, account_id: UUID, *, day: date, usage: TokenUsage) -> None: ...


class IdempotencyKeys(Protocol):
    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        """Bind the key to the reply. None: bound now. Else the reply and fingerprint of its first use.

        Of parallel callers exactly one binds; the others wait for that one's unit of work to end. A use older than
        IDEMPOTENCY_KEY_LIFE counts as none.
        """

    async def forget_before(self, moment: datetime) -> int:
        """Remove bindings made before `moment`; returns how many."""


class ChatUnit(Protocol):
    """One transaction. Left without `commit`, nothing of it has happened."""

    @property
    def rooms(self) -> Rooms: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def quota(self) -> Quota: ...
    @property
    def idempotency_keys(self) -> IdempotencyKeys: ...

    async def commit(self) -> None: ...


class ChatUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[ChatUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write."""


class LanguageModel(Protocol):
    def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[str | Finished, None]:
        """Stream an answer: pieces of text as they come, none empty, then exactly one Finished, always the last.

        `model` is the provider's own name for it. Raises ModelUnavailable or ModelRefused, also after some text. Sets
        no deadlines: the caller has them. Closing the generator ends the request.
        """

    async def close(self) -> None:
        """Give up connections, once no reply is under way."""


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
    async def receive(self, *, within: float) -> Piece | StreamEnd | None:
        """The next piece, or ENDED, or CLOSED, or None when `within` seconds brought nothing.

        ENDED says that the reply has ended in the database, and may be lost, as pieces may. CLOSED says that this
        process is leaving: nothing more will come here.
        """


class ReplyStream(Protocol):
    """The text of replies while they are written: a wire, not a store. The database makes up for what it loses."""

    async def append(self, reply_id: UUID, piece: Piece) -> None:
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
