"""Storage ports of the chat module: a unit of work and its repositories. Times are in UTC, durations in seconds."""

from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import (
    Allowance,
    Claim,
    Ending,
    IdempotencyKey,
    Lease,
    Message,
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

    async def turns_before(self, room_id: UUID, position: int, *, limit: int) -> list[tuple[int, Turn]]:
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

    async def postpone(self, claim: Claim, *, seconds: float) -> bool:
        """Make the reply pending again, due in `seconds`, at once if it is to stop, and count a failure.

        False as for `end`.
        """

    async def release(self, claim: Claim) -> bool:
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
