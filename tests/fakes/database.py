"""One in-memory database for unit tests of the core: the tables of all three modules, and transactions over them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from parley.core.accounts.api_key_store import ApiKey
from parley.core.accounts.model import Account, Challenge, Delivery, Identity, RefreshToken, Session, Signup
from parley.core.billing.model import Customer, DayUsage, StoredEvent, Subscription
from parley.core.chat.model import Conversation, Message, Room
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.search_store import IndexedText
from parley.core.chat.share_store import Share
from parley.core.ports import Clock

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class ReplyState:
    """The part of a reply's state that its message does not have."""

    room_id: UUID
    account_id: UUID
    charged_on: date
    claimable_at: datetime
    queued_at: datetime
    failures: int = 0
    releases: int = 0
    stop_requested: bool = False
    reserved: int = 0
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class KeyUse:
    room_id: UUID
    reply_id: UUID
    fingerprint: bytes
    used_at: datetime


@dataclass(frozen=True, slots=True)
class TitleJob:
    room_id: UUID
    position: int
    charged_on: date
    claimable_at: datetime
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class InboxState:
    """The state of a stored event; `claimable_at` is None once it is handled."""

    received_at: datetime
    claimable_at: datetime | None
    handled_at: datetime | None = None


@dataclass
class Tables:
    """Rows by their key.

    The tuples are: a device's owner and when its token expires; a delivery and when it may be claimed; a revocation's
    end and when it was written; a room and its last position; the position of a head that was chosen, and the last
    position then; a day's usage and its returned refusals; a customer and when it was reconciled; a subscription,
    its read number and when it was written; a customer erasure's failures and when it may be claimed; a lease's holder
    and end; the plan that was reported last, and when it changes; an indexed text and its number.
    """

    accounts: dict[UUID, Account] = field(default_factory=dict)
    challenges: dict[bytes, Challenge] = field(default_factory=dict)
    failures: dict[tuple[Identity, str], Any] = field(default_factory=dict)
    devices: dict[bytes, tuple[Identity, datetime]] = field(default_factory=dict)
    deliveries: dict[UUID, tuple[Delivery, datetime]] = field(default_factory=dict)
    signups: dict[bytes, Signup] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    revocations: dict[UUID, tuple[datetime, datetime]] = field(default_factory=dict)
    suspension_changes: dict[UUID, datetime] = field(default_factory=dict)
    api_keys: dict[UUID, ApiKey] = field(default_factory=dict)
    rooms: dict[UUID, tuple[Room, int]] = field(default_factory=dict)
    shown: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    replies: dict[UUID, ReplyState] = field(default_factory=dict)
    given_tokens: dict[UUID, int] = field(default_factory=dict)
    prompts: dict[UUID, Conversation] = field(default_factory=dict)
    reply_settings: dict[UUID, ReplySettings] = field(default_factory=dict)
    idempotency_keys: dict[tuple[UUID, str], KeyUse] = field(default_factory=dict)
    plans: dict[UUID, str] = field(default_factory=dict)
    paid: dict[UUID, dict[str, datetime]] = field(default_factory=dict)
    usage_days: dict[tuple[UUID, date], DayUsage] = field(default_factory=dict)
    returned_refusals: dict[tuple[UUID, date], int] = field(default_factory=dict)
    erased_usage: dict[tuple[bytes, date], tuple[DayUsage, int]] = field(default_factory=dict)
    customers: dict[str, tuple[Customer, datetime]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[Subscription, int, datetime]] = field(default_factory=dict)
    events: dict[UUID, tuple[StoredEvent, InboxState]] = field(default_factory=dict)
    customer_erasures: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    leases: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)
    deliveries_of_events: dict[UUID, Any] = field(default_factory=dict)
    reported_plans: dict[UUID, tuple[str | None, datetime | None]] = field(default_factory=dict)
    shares: dict[UUID, Share] = field(default_factory=dict)
    title_jobs: dict[UUID, TitleJob] = field(default_factory=dict)
    search_texts: dict[tuple[UUID, int], tuple[int, IndexedText]] = field(default_factory=dict)

    def copy(self) -> "Tables":
        return Tables(**{table.name: getattr(self, table.name).copy() for table in fields(self)})


def utc_now() -> datetime:
    return datetime.now(UTC)


class FakeDatabase:
    """One writer at a time; readers never wait. A transaction changes a copy of the tables, which commit installs.

    `clock` is the database's own clock, for leases.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self.committed = Tables()
        self.clock = clock
        self._writer_lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncGenerator["FakeTransaction", None]:
        async with nullcontext() if read_only else self._writer_lock:
            transaction = FakeTransaction(self, read_only=read_only)
            # Let other tasks run, as a database's network round trip would: otherwise no two tasks would interleave.
            await asyncio.sleep(0)
            yield transaction


class FakeTransaction:
    def __init__(self, database: FakeDatabase, *, read_only: bool) -> None:
        self._database = database
        self._read_only = read_only
        self.tables = database.committed.copy()
        self.clock = database.clock

    def commit(self) -> None:
        if self._read_only:
            raise RuntimeError("commit in a read-only transaction")
        self._database.committed = self.tables.copy()


def add(table: dict[_Key, _Row], key: _Key, row: _Row) -> None:
    if key in table:
        raise KeyError("duplicate key")
    table[key] = row


def delete_where(table: dict[_Key, _Row], condition: Callable[[_Row], bool]) -> int:
    """Delete the rows that meet the condition; returns how many."""
    keys = [key for key, row in table.items() if condition(row)]
    for key in keys:
        del table[key]
    return len(keys)
