"""The stores of chat and billing under contract, each one empty, and functions that fill them.

Leases are timed by the store's own clock: a lease or delay of 0 seconds has expired at once.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, TypeVar
from uuid import UUID

import pytest

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import LoggedReplies
from parley.adapters.models.offline import OfflineModel
from parley.adapters.models.prices import KnownPrices
from parley.adapters.security.jwt_tokens import JwtStreamTickets
from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.billing.unit_of_work import SqlBillingUnitOfWork
from parley.adapters.sql.chat.acceptance import sql_acceptance
from parley.adapters.sql.chat.unit_of_work import SqlChatUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.core.accounts.model import Account, Identity, IdentityKind
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.billing.model import DayUsage
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.chat import ChatPorts
from parley.core.chat.acceptance import Acceptance
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.end_reply import end_reply
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.messages import post_message
from parley.core.chat.model import Claim, Ending, Message, Role, Room, Status
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.plans import Plans
from tests.contracts.databases import EVERY, new_id
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeAcceptance, FakeChatUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.plans import PLANS, plans_of

NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
TODAY = date(2026, 3, 14)


def plans_from(limit: int | Plans) -> Plans:
    return limit if isinstance(limit, Plans) else plans_of(limit)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


LIMIT = 5
LONG = 3_600.0
# More than any test creates of anything.
MANY = 1_000
COMPLETED = Ending(Status.COMPLETED, "An answer", NOW)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Store:
    """The units of work of one database. `chat_of` makes one of these plans, or whose Basic plan has the daily limit.

    `acceptance_of` makes the same of Acceptance, or None.
    """

    accounts: AccountsUnitOfWork
    billing: BillingUnitOfWork
    chat_of: Callable[[int | Plans], ChatUnitOfWork]
    acceptance_of: Callable[[int | Plans], Acceptance | None]

    @property
    def chat(self) -> ChatUnitOfWork:
        return self.chat_of(LIMIT)

    async def do(self, step: Callable[[ChatUnit], Awaitable[_Result]], *, limit: int = LIMIT) -> _Result:
        """Run the step in a transaction of its own and commit it."""
        async with self.chat_of(limit)() as unit:
            result = await step(unit)
            await unit.commit()
        return result

    def chat_ports(self, *, limit: int | Plans = LIMIT, **changes: Any) -> ChatPorts:
        """The ports of use cases that run on this store."""
        meter = LoggedReplies(Metrics())
        ports = ChatPorts(
            uow=self.chat_of(limit),
            acceptance=self.acceptance_of(limit),
            catalogue=ModelCatalogue({"a": Provider(OfflineModel(0.0), ("model",))}, default="a/model"),
            plans=AccountPlans(plans_from(limit), self.chat_of(limit), now=lambda: NOW),
            prices=KnownPrices({}, {}),
            queue=MemoryQueue(),
            title_queue=MemoryQueue(),
            stream=MemoryReplyStream(),
            stop_signals=MemoryStopSignals(),
            room_list_cache=MemoryRoomListCache(seconds=0.0, clock=lambda: 0.0),
            shared_reads=SharedReads(),
            meter=meter,
            breakers=CircuitBreakers(clock=lambda: 0.0, jitter=lambda: 0.0, on_change=meter.circuit_changed),
            tickets=JwtStreamTickets(["x" * 32]),
            limits=ReplyLimits(
                first_token=LONG,
                idle=LONG,
                total=LONG,
                attempts=1,
                lease=LONG,
                context_characters=MANY,
                max_pending=MANY,
            ),
            renewals=LeaseRenewals(self.chat_of(limit), lease=LONG),
            worker_id=UUID(int=0),
            now=lambda: NOW,
            new_id=new_id,
            new_token=token_urlsafe,
            jitter=lambda: 1.0,
        )
        return replace(ports, **changes)

    async def see(self, step: Callable[[ChatUnit], Awaitable[_Result]]) -> _Result:
        async with self.chat(read_only=True) as unit:
            return await step(unit)

    async def new_account(self) -> UUID:
        account_id = new_id()
        identity = Identity(IdentityKind.EMAIL, f"{account_id}@example.com")
        async with self.accounts() as unit:
            await unit.accounts.find_or_add(Account(account_id, identity, None, None, NOW))
            await unit.commit()
        return account_id

    async def new_room(self, account_id: UUID | None = None, **changes: object) -> Room:
        owner = account_id or await self.new_account()
        room = replace(Room(new_id(), owner, "A room", None, None, NOW, NOW), **changes)
        await self.do(lambda unit: unit.rooms.add(room, most=MANY))
        return room

    async def new_reply(self, room: Room | None = None, **changes: object) -> Message:
        """A pending reply, in a room of its own unless one is given."""
        _, reply = await self.new_exchange(room or await self.new_room(), **changes)
        return reply

    async def new_exchange(
        self, room: Room, *, content: str = "A question", reply_id: UUID | None = None, charged_on: date = TODAY
    ) -> tuple[Message, Message]:
        """A user's message and its pending reply."""
        ids = iter((new_id(), reply_id or new_id()))
        at = datetime.combine(charged_on, NOW.timetz())
        ports = self.chat_ports(limit=MANY, new_id=lambda: next(ids), now=lambda: at)
        accepted = await post_message(
            ports, account_id=room.account_id, room_id=room.id, content=content, model=None, key=None
        )
        return accepted.question, accepted.reply

    async def pending(self, account_id: UUID) -> int:
        """The number of unfinished replies of the account."""
        async with self.chat(read_only=True) as unit:
            pages = [
                await unit.messages.page(room, account_id, before=None, limit=MANY)
                for room in await unit.rooms.ids(account_id)
            ]
        return sum(not message.status.ended for page in pages for message in page)

    async def claimed(self, reply_id: UUID, *, lease: float = LONG) -> Claim | None:
        return await self.do(lambda unit: unit.replies.claim(reply_id, lease=lease))

    async def claim(self, reply: Message, *, lease: float = LONG) -> Claim:
        """A claim of a claimable reply."""
        claim = await self.claimed(reply.id, lease=lease)
        assert claim is not None
        return claim

    async def end(self, claim: Claim, ending: Ending = COMPLETED, *, chat: ChatPorts | None = None) -> bool:
        return await end_reply(chat or self.chat_ports(), claim, ending)

    async def message(self, message: Message, account_id: UUID) -> Message | None:
        return await self.see(lambda unit: unit.messages.get(message.id, message.room_id, account_id))

    async def overdue(self, *, patience: float = LONG, limit: int = 100) -> list[UUID]:
        return await self.do(lambda unit: unit.replies.take_overdue(patience=patience, limit=limit))

    async def put_on(self, plan: str | None, account_id: UUID) -> None:
        async with self.billing() as unit:
            await unit.plans.override(account_id, plan)
            await unit.commit()

    async def usage(self, account_id: UUID, first: date = date.min) -> list[DayUsage]:
        async with self.billing(read_only=True) as unit:
            return sorted(await unit.usage_days.since(account_id, first), key=lambda usage: usage.day)


def exchange_at(
    position: int, room: Room, *, content: str = "A question", reply_id: UUID | None = None
) -> tuple[Message, Message]:
    question = Message(new_id(), room.id, Role.USER, content, Status.COMPLETED, NOW, position, completed_at=NOW)
    return question, Message(
        reply_id or new_id(),
        room.id,
        Role.ASSISTANT,
        "",
        Status.PENDING,
        NOW,
        position + 1,
        model="a/model",
        reply_to=question.id,
    )


def store_over(database: FakeDatabase | Database) -> Store:
    if isinstance(database, FakeDatabase):
        return Store(
            FakeAccountsUnitOfWork(database),
            FakeBillingUnitOfWork(database),
            lambda limit: FakeChatUnitOfWork(database, plans_from(limit)),
            lambda limit: FakeAcceptance(database, plans_from(limit)),
        )
    return Store(
        SqlAccountsUnitOfWork(database),
        SqlBillingUnitOfWork(database, PlanLimits(PLANS)),
        lambda limit: SqlChatUnitOfWork(database, PlanLimits(plans_from(limit))),
        lambda limit: sql_acceptance(database, PlanLimits(plans_from(limit))),
    )


@pytest.fixture(params=EVERY)
async def every_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store, None]:
    async with request.param(tmp_path) as database:
        yield store_over(database)
