"""Transactions over plain dicts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from uuid import UUID

from parley.core.billing.model import Customer, DayUsage, Plan, StoredEvent, Subscription
from parley.core.chat.model import Message, Room


@dataclass(frozen=True, slots=True)
class ReplyState:
    """The running state of a reply that its message does not show."""

    room_id: UUID
    account_id: UUID
    charged_on: date
    claimable_at: datetime
    queued_at: datetime
    failures: int = 0
    stop_requested: bool = False


@dataclass(frozen=True, slots=True)
class KeyUse:
    room_id: UUID
    reply_id: UUID
    fingerprint: bytes
    used_at: datetime


@dataclass(frozen=True, slots=True)
class InboxState:
    """Where a stored event stands; `claimable_at` is None once it is handled."""

    received_at: datetime
    claimable_at: datetime | None
    handled_at: datetime | None = None


@dataclass
class Tables:
    """Rows by their key. A room comes with its last position, a customer with when it was reconciled.

    A subscription comes with the ticket under which it was seen and when that was written; a closure with its failures
    and when it may be claimed; a lease with its holder and its end.
    """

    rooms: dict[UUID, tuple[Room, int]] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    replies: dict[UUID, ReplyState] = field(default_factory=dict)
    idempotency_keys: dict[tuple[UUID, str], KeyUse] = field(default_factory=dict)
    plans: dict[UUID, Plan] = field(default_factory=dict)
    paid_until: dict[UUID, datetime] = field(default_factory=dict)
    usage_days: dict[tuple[UUID, date], DayUsage] = field(default_factory=dict)
    customers: dict[str, tuple[Customer, datetime]] = field(default_factory=dict)
    subscriptions: dict[str, tuple[Subscription, int, datetime]] = field(default_factory=dict)
    events: dict[UUID, tuple[StoredEvent, InboxState]] = field(default_factory=dict)
    customer_erasures: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    leases: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)

    def copy(self) -> "Tables":
        return Tables(**{table.name: getattr(self, table.name).copy() for table in fields(self)})


class FakeDatabase:
    """One writer at a time. A transaction works on a copy, and its commit puts the copy in place."""

    def __init__(self) -> None:
        self.committed = Tables()
        self._writers_turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, *, read_only: bool = False) -> AsyncGenerator["FakeTransaction", None]:
        async with nullcontext() if read_only else self._writers_turn:
            transaction = FakeTransaction(self)
            # A database lets others go on while it works: without that here, no two tasks would ever meet.
            await asyncio.sleep(0)
            yield transaction


class FakeTransaction:
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self.tables = database.committed.copy()

    def commit(self) -> None:
        self._database.committed = self.tables.copy()
