"""The chat module's storage ports: a unit of work and its repositories. Times are in UTC, durations in seconds."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.chat.client_ids import ClientIds
from parley.core.chat.idempotency import IdempotencyKeys
from parley.core.chat.model import (
    Charge,
    Claim,
    Ending,
    Exchange,
    Lease,
    Message,
    Room,
    RoomCursor,
)
from parley.core.chat.parts import Part
from parley.core.chat.prompt_store import Prompts
from parley.core.chat.quota import Quota
from parley.core.chat.rating import Feedback
from parley.core.chat.reply_settings import RepliesSettings
from parley.core.chat.search_store import SearchIndex
from parley.core.chat.share_store import Shares
from parley.core.chat.title_store import Titles
from parley.core.chat.tokens import Spent
from parley.core.chat.tree import Head
from parley.core.outgoing_events import OutgoingEvents
from parley.core.ports import Leases


class Rooms(Protocol):
    """The rooms of all accounts. A room is found only together with the account that owns it."""

    async def lock_account(self, account_id: UUID) -> None:
        """Make other calls of `lock_account` and `add` for the account wait until this unit of work ends.

        Comes before every other call that locks. What is posted in existing rooms does not wait.
        """

    async def add(self, room: Room, *, most: int) -> bool:
        """Add the room; locks as `lock` does. False, with nothing written, if the account has `most` rooms."""

    async def instruction_bytes(self, account_id: UUID) -> int:
        """The bytes of the instructions of all rooms of the account, in UTF-8. Exact after `lock` or `add`."""

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None:
        """The room. None if the account has no such room."""

    async def many(self, room_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Room]:
        """Those of the rooms that the account has, by id."""

    async def owner(self, room_id: UUID) -> UUID | None:
        """The account of the room, or None if there is no such room."""

    async def last_positions(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        """The highest position of each of the rooms that exist, 0 for an empty one. The account is not checked."""

    async def page(
        self, account_id: UUID, *, after: RoomCursor | None, limit: int, archived: bool = False
    ) -> list[Room]:
        """The `limit` archived or other rooms that follow `after`, pinned ones first, then latest activity."""

    async def ids(self, account_id: UUID) -> list[UUID]:
        """All rooms of the account, oldest first."""

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        """Write those attributes of the room that `fields` names. With a new name no title is to be written.

        False if the account has no such room.
        """

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        """Delete the room with its messages. False if the account has no such room."""

    async def reserve(
        self, room_id: UUID, account_id: UUID, *, at: datetime, positions: int = 2
    ) -> tuple[Room, int] | None:
        """Reserve the next positions of the room and record its activity, in one statement.

        The room stays locked until the unit of work ends, so positions follow the order of commits. Returns the room,
        without what follows from its messages, and the first of the positions, or None if the account has no such room.
        """

    async def lock(self, room_id: UUID, account_id: UUID) -> bool:
        """Lock the room as `reserve` does. False if the account has no such room."""

    async def show(self, room_id: UUID, *, position: int) -> None:
        """Make the message at `position`, which has no children, the head until the next position is reserved.

        The head of a room is otherwise its newest message. To be called in a unit of work that has locked the room.
        """


class Messages(Protocol):
    """The messages of all rooms, each of which has a tree of them. Messages come with their siblings of that moment."""

    async def add_exchange(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        charge: Charge,
        most_pending: int,
        after: int | Head | None = Head.SHOWN,
    ) -> tuple[Message, Message] | None:
        """Write a user's message and its pending reply, for which the quota paid the `charge`.

        The parent is the room's message at position `after`, None for a first message; by default it is the head that
        the room had before the positions were reserved. Returns both as stored.

        None, with nothing written, if the account has `most_pending` unfinished replies already. Exact in a unit of
        work that has taken quota.
        """

    async def add_reply(
        self, reply: Message, *, account_id: UUID, charge: Charge, most_pending: int, after: int
    ) -> Message | None:
        """Write another pending reply to the message at position `after`. Otherwise as `add_exchange`."""

    async def add_given(self, message: Message, *, account_id: UUID, after: int | Head | None, tokens: int) -> Message:
        """Write a message that has ended, with its attempt. `tokens` are those of the branch up to it.

        The parent is as in `add_exchange`. An assistant's message is the reply to its parent, if that is a user's.
        Returns it as stored.
        """

    async def remove(self, message: Message, *, after: int) -> None:
        """Delete a message that has ended, the only child of the one at position `after` and childless itself.

        A shared copy that ends with it ends with its parent then. In a unit of work that has locked the room, which is
        to show the parent.
        """

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        """The message. None unless it is in that room and the room is the account's."""

    async def rate(self, message_id: UUID, room_id: UUID, account_id: UUID, feedback: Feedback | None) -> bool:
        """Write the feedback on the message; None removes it. False if the account has no such message."""

    async def many(self, message_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Message]:
        """Those of the messages that the account has, by id."""

    async def owner(self, message_id: UUID) -> UUID | None:
        """The account of the message, or None if there is no such message."""

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        """The user's message and its reply, in that order, with the siblings that they had when the reply was added.

        The room is not checked.
        """

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        """The `limit` messages with the highest positions below `before`, oldest first; [] for another account."""

    async def branch_to(self, room_id: UUID, account_id: UUID, *, last: int | None, limit: int) -> list[Message]:
        """The `limit` newest messages of the branch that ends with position `last`, oldest first.

        None for the head. [] for a position that the room does not have, and for another account.
        """

    async def branch_after(
        self, room_id: UUID, account_id: UUID, *, after: int, last: int | None, limit: int
    ) -> list[Message]:
        """The `limit` messages with the lowest positions above `after` of that branch, oldest first.

        `last` and what is [] are as in `branch_to`.
        """

    async def branch_tokens(self, room_id: UUID, *, last: int | Head | None, before: int) -> int | None:
        """What a model would read of the branch that ends with position `last`, in tokens.

        Of its last reply, what its provider counted, else what it reserved; None without either. The head is that of
        the room when `before` was its next position. The account is not checked.
        """

    async def newest_below(self, room_id: UUID, position: int) -> int:
        """The highest position among the message at `position` and all its descendants."""

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        """The `limit` messages with the lowest positions above `position`, oldest first. The account is not checked."""

    async def exchanges(self, room_id: UUID, *, last: int, limit: int) -> list[Exchange]:
        """The `limit` newest exchanges of the branch that ends with position `last`, newest first, in any status.

        The account is not checked.
        """


class Replies(Protocol):
    """The running state of replies. Leases and delays are timed by the database's clock.

    A reply is claimable if it is pending and due, or its lease has expired, and no earlier reply of its room is
    unfinished. Writes by a claim carry its attempt: those of an overtaken claim change nothing and return so.
    """

    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        """Lease a claimable reply and increment its attempt, in one statement. None if it is not claimable.

        A draft of an earlier attempt is removed, unless a stop was requested: then it is the reply's text.
        """

    async def renew(self, claims: Sequence[Claim], *, lease: float) -> list[Lease]:
        """Renew the leases of all `claims`, of which no two are equal; the results are in their order."""

    async def store_draft(self, claim: Claim, parts: tuple[Part, ...]) -> bool:
        """Store what the attempt has written so far; the next claim removes it. False as for `end`."""

    async def end(self, claim: Claim, ending: Ending) -> bool:
        """Write parts, status, usage and the claim's model, count what was spent, and uncount a failed reply's message.

        The message of an `is_refusal` is uncounted only MOST_RETURNED_REFUSALS times a day of an account.
        False, with nothing changed, if the claim was overtaken or the reply was deleted.
        """

    async def postpone(
        self, claim: Claim, *, seconds: float, fallback: str | None = None, spent: Spent | None = None
    ) -> bool:
        """Make the reply pending again, with one failure more of the claim's model, and count what was spent.

        It is due in `seconds`, or at once if a stop was requested. A `fallback` is the model to ask then, which has
        not failed yet. False as for `end`.
        """

    async def release(self, claim: Claim, *, spent: Spent | None = None) -> bool:
        """Make the reply pending again, due at once, and count the release and what was spent. False as for `end`.

        For a worker that shuts down.
        """

    async def excuse(self, claim: Claim) -> None:
        """Count the attempt as released although another has begun; no effect if none has or the reply has ended.

        For a worker whose lease ran out while the database was away: the reply did not kill it.
        """

    async def request_stop(self, reply_id: UUID) -> bool:
        """Flag an unfinished reply for the worker that holds or next claims it. False if it has ended."""

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        """End a reply that no worker holds, as a new attempt. None if it is held or has ended."""

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        """The room's first unfinished reply."""

    async def any_overdue(self, *, patience: float) -> bool:
        """Whether `take_overdue` would find a reply."""

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        """Up to `limit` claimable replies that the queue should have delivered by now, oldest first.

        A reply is overdue if its lease has expired, its delay is over, or `patience` seconds have passed since it was
        put on the queue. Taking it starts that wait anew, so that several sweepers do not queue it repeatedly.
        """


class ChatUnit(Protocol):
    """One transaction. It is rolled back unless `commit` is called."""

    @property
    def rooms(self) -> Rooms: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def quota(self) -> Quota: ...
    @property
    def prompts(self) -> Prompts: ...
    @property
    def reply_settings(self) -> RepliesSettings: ...
    @property
    def idempotency_keys(self) -> IdempotencyKeys: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def search(self) -> SearchIndex: ...
    @property
    def outgoing_events(self) -> OutgoingEvents: ...
    @property
    def shares(self) -> Shares: ...
    @property
    def titles(self) -> Titles: ...
    @property
    def client_ids(self) -> ClientIds: ...

    async def commit(self) -> None: ...


class ChatUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False, single: bool = False) -> AbstractAsyncContextManager[ChatUnit]:
        """Open a transaction. A read-only one waits for no writer and must not write.

        A `single` one is for one call of a port, which a server's adapter does in one statement without BEGIN and
        COMMIT. It is committed when the call returns or at the end of the context, and needs no `commit`.
        """
