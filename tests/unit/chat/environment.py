"""The chat module with fakes, in-memory adapters and a scripted model, under the event loop's virtual time."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from secrets import token_urlsafe
from uuid import UUID

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import LoggedReplies
from parley.adapters.models.prices import KnownPrices
from parley.adapters.security.jwt_tokens import JwtStreamTickets
from parley.core.billing.model import DayUsage
from parley.core.chat import ChatPorts
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.messages import Accepted, post_message
from parley.core.chat.model import Claim, EventId, Message, Room
from parley.core.chat.ports import ReplyStream
from parley.core.chat.reply_events import ReplyEvent, Snapshot
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.rooms import change_room, create_room, delete_room
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.chat.write_reply import write_reply
from parley.core.errors import Unavailable
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeAcceptance, FakeChatUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.plans import plans_of
from tests.unit.chat.scripted_model import ScriptedModel

BEGINNING = datetime(2026, 3, 14, 12, tzinfo=UTC)
TODAY = date(2026, 3, 14)

BASIC_LIMIT = 5
KEEP_ALIVE_SECONDS = 15.0
LIMITS = ReplyLimits(
    first_token=30, idle=20, total=300, attempts=3, lease=15, context_characters=100_000, max_pending=20
)


class ChatEnvironment:
    """`chat` are the ports that use cases are called with. All times are the event loop's."""

    def __init__(self) -> None:
        self.database = FakeDatabase(self.now)
        self.uow = FakeChatUnitOfWork(self.database, plans_of(BASIC_LIMIT))
        self.billing = FakeBillingUnitOfWork(self.database)
        self.queue = MemoryQueue()
        self.title_queue = MemoryQueue()
        self.stream = MemoryReplyStream()
        self.metrics = Metrics()
        self.model = ScriptedModel()
        self.providers = {"vendor": Provider(self.model, ("fast", "good")), "other": Provider(self.model, ("only",))}
        self.account_id = UUID(int=1)
        self.jitter = 1.0
        self.session_lasts = True
        self._numbers = itertools.count(2)
        meter = LoggedReplies(self.metrics)
        self.chat = ChatPorts(
            uow=self.uow,
            acceptance=FakeAcceptance(self.database, plans_of(BASIC_LIMIT)),
            catalogue=ModelCatalogue(self.providers, default="vendor/fast"),
            plans=AccountPlans(plans_of(BASIC_LIMIT), self.uow, now=self.now),
            prices=KnownPrices({}, {}),
            queue=self.queue,
            title_queue=self.title_queue,
            stream=self.stream,
            stop_signals=MemoryStopSignals(),
            room_list_cache=MemoryRoomListCache(seconds=600, clock=asyncio.get_running_loop().time),
            shared_reads=SharedReads(),
            meter=meter,
            breakers=CircuitBreakers(
                clock=asyncio.get_running_loop().time, jitter=lambda: 0.0, on_change=meter.circuit_changed
            ),
            tickets=JwtStreamTickets(["x" * 32]),
            limits=LIMITS,
            renewals=LeaseRenewals(self.uow, lease=LIMITS.lease),
            worker_id=UUID(int=0),
            now=self.now,
            new_id=self.new_id,
            new_token=token_urlsafe,
            jitter=lambda: self.jitter,
        )

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())

    async def may_read(self) -> bool:
        return self.session_lasts

    def new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    def chat_with(
        self, *, uow: ChatUnitOfWork | None = None, stream: ReplyStream | None = None, **limits: float
    ) -> ChatPorts:
        """The ports with some of them or of the limits replaced."""
        return replace(
            self.chat,
            uow=uow or self.uow,
            stream=stream or self.stream,
            limits=replace(LIMITS, **limits),
            renewals=self.chat.renewals
            if uow is None and "lease" not in limits
            else LeaseRenewals(uow or self.uow, lease=limits.get("lease", LIMITS.lease)),
        )

    async def room(self, *, account_id: UUID | None = None, **fields: str | None) -> Room:
        return await create_room(
            self.chat,
            account_id=account_id or self.account_id,
            **{"name": "A room", "model": None, "instructions": None} | fields,
        )

    async def change(self, room: Room, account_id: UUID | None = None, **changes: str | None) -> Room:
        return await change_room(self.chat, account_id=account_id or self.account_id, room_id=room.id, changes=changes)

    async def delete(self, room: Room, account_id: UUID | None = None) -> None:
        await delete_room(self.chat, account_id=account_id or self.account_id, room_id=room.id)

    async def post(
        self,
        room: Room,
        content: str = "A question",
        *,
        model: str | None = None,
        key: str | None = None,
        account_id: UUID | None = None,
        max_pending: int = LIMITS.max_pending,
    ) -> Accepted:
        return await post_message(
            self.chat_with(max_pending=max_pending),
            account_id=account_id or room.account_id,
            room_id=room.id,
            content=content,
            model=model,
            key=key,
        )

    async def reply(self, room: Room | None = None, content: str = "A question") -> Message:
        """A pending reply, already taken off the queue."""
        accepted = await self.post(room or await self.room(), content)
        assert await self.queue.take() == accepted.reply.id
        return accepted.reply

    async def write(self, reply: Message, **limits: float) -> Message:
        """The reply after a worker has written one attempt of it."""
        await write_reply(self.chat_with(**limits), reply.id)
        return await self.message(reply)

    async def attempt(self, reply: Message, **limits: float) -> Message:
        """As `write`, as soon as the reply is due."""
        await asyncio.sleep(max(0.0, self.due_in(reply)))
        return await self.write(reply, **limits)

    @asynccontextmanager
    async def writing(self, reply: Message, chat: ChatPorts | None = None) -> AsyncGenerator[asyncio.Task[None], None]:
        """A worker that writes the reply concurrently. At the end of the context it is awaited."""
        task = asyncio.create_task(write_reply(chat or self.chat, reply.id))
        try:
            yield task
            await task
        finally:
            task.cancel()

    async def stop(self, reply: Message, *, account_id: UUID | None = None) -> Message:
        return await stop_reply(
            self.chat, account_id=account_id or self.account_id, room_id=reply.room_id, reply_id=reply.id
        )

    async def follow(
        self,
        reply: Message,
        after: EventId | None = None,
        *,
        stream: ReplyStream | None = None,
        uow: ChatUnitOfWork | None = None,
    ) -> AsyncGenerator[ReplyEvent, None]:
        """The events that a reader receives after the snapshot."""
        following = follow_reply(
            self.chat_with(uow=uow, stream=stream),
            account_id=self.account_id,
            room_id=reply.room_id,
            reply_id=reply.id,
            after=after,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            may_read=self.may_read,
        )
        async with aclosing(following) as events:
            assert isinstance(await anext(events), Snapshot)
            async for event in events:
                yield event

    async def message(self, message: Message) -> Message:
        """The message as the database has it now."""
        async with self.uow(read_only=True) as unit:
            found = await unit.messages.get(message.id, message.room_id, self.account_id)
        assert found is not None
        return found

    async def claim(self, reply: Message, *, lease: float = LIMITS.lease) -> Claim | None:
        """A claim whose worker does nothing more."""
        async with self.uow() as unit:
            claim = await unit.replies.claim(reply.id, lease=lease)
            await unit.commit()
        return claim

    async def queued(self) -> list[UUID]:
        """Takes everything off the queue."""
        last = UUID(int=0)
        await self.queue.put(last)
        found = []
        while (reply_id := await self.queue.take()) != last:
            found.append(reply_id)
        return found

    async def usage(self, account_id: UUID | None = None) -> DayUsage:
        async with self.billing(read_only=True) as unit:
            days = await unit.usage_days.since(account_id or self.account_id, TODAY)
        return days[0] if days else DayUsage(TODAY, 0, 0, 0)

    async def set_plan(self, plan: str) -> None:
        async with self.billing() as unit:
            await unit.plans.override(self.account_id, plan)
            await unit.commit()

    def due_in(self, reply: Message) -> float:
        """Seconds until a pending reply is due."""
        return (self.database.committed.replies[reply.id].claimable_at - self.now()).total_seconds()


class SlowUnitOfWork:
    """A database whose transactions take `seconds`; counts those that were cancelled meanwhile."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self._uow = uow
        self.seconds = 0.0
        self.cancelled = 0

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._uow(read_only=read_only, single=single) as unit:
            try:
                await asyncio.sleep(self.seconds)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            yield unit


class SlowAnswersUnitOfWork:
    """A database that commits at once and answers `seconds` later."""

    def __init__(self, uow: ChatUnitOfWork, *, seconds: float) -> None:
        self._uow = uow
        self._seconds = seconds

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._uow(read_only=read_only, single=single) as unit:
            yield unit
        await asyncio.sleep(self._seconds)


class FreezingUnitOfWork:
    """The database of a worker process that freezes: transactions wait while `awake` is not set."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self._uow = uow
        self.awake = asyncio.Event()
        self.awake.set()

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        await self.awake.wait()
        async with self._uow(read_only=read_only, single=single) as unit:
            yield unit


class UnavailableUnitOfWork:
    """A database that does not answer before the loop's time is `until`."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self.until = 0.0
        self._uow = uow

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        if asyncio.get_running_loop().time() < self.until:
            raise Unavailable
        async with self._uow(read_only=read_only, single=single) as unit:
            yield unit
