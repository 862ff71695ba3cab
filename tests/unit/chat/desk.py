"""The chat module wired up in memory, with a model, clock and chance that a test can foresee."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import LoggedReplies
from parley.core.billing.model import DayUsage, Plan
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.follow_reply import ReplyEvent, Snapshot, follow_reply
from parley.core.chat.limits import ReplyLimits
from parley.core.chat.messages import Accepted, post_message
from parley.core.chat.model import Claim, EventId, Message, Room
from parley.core.chat.ports import ReplyStream
from parley.core.chat.rooms import change_room, create_room, delete_room
from parley.core.chat.stop_reply import stop_reply
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.chat.write_reply import ReplyWriter
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeChatUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.unit.chat.scripted_model import ScriptedModel

BEGINNING = datetime(2026, 3, 14, 12, tzinfo=UTC)
TODAY = date(2026, 3, 14)

BASIC_LIMIT = 5
QUIET = 15.0
LIMITS = ReplyLimits(
    first_token=30, idle=20, total=300, attempts=3, lease=15, context_characters=100_000, max_pending=20
)


class Desk:
    """Its time is the event loop's."""

    def __init__(self) -> None:
        self.database = FakeDatabase(self.now)
        self.chat = FakeChatUnitOfWork(self.database, basic_limit=BASIC_LIMIT)
        self.billing = FakeBillingUnitOfWork(self.database)
        self.stream = MemoryReplyStream()
        self.queue = MemoryQueue()
        self.signals = MemoryStopSignals()
        self.metrics = Metrics()
        self.meter = LoggedReplies(self.metrics)
        self.cache = MemoryRoomListCache(seconds=600, clock=asyncio.get_running_loop().time)
        self.model = ScriptedModel()
        self.catalogue = ModelCatalogue(
            {"vendor": Provider(self.model, ("fast", "good")), "other": Provider(self.model, ("only",))},
            default="vendor/fast",
        )
        self.account_id = UUID(int=1)
        self.chance = 1.0
        self._numbers = itertools.count(2)

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())

    def new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    async def room(self, *, account_id: UUID | None = None, **wishes: str | None) -> Room:
        return await create_room(
            uow=self.chat,
            cache=self.cache,
            catalogue=self.catalogue,
            account_id=account_id or self.account_id,
            room_id=self.new_id(),
            now=self.now(),
            **{"name": "A room", "model": None, "instructions": None} | wishes,
        )

    async def change(self, room: Room, account_id: UUID | None = None, **changes: str | None) -> Room:
        return await change_room(
            uow=self.chat,
            cache=self.cache,
            catalogue=self.catalogue,
            account_id=account_id or self.account_id,
            room_id=room.id,
            changes=changes,
        )

    async def delete(self, room: Room, account_id: UUID | None = None) -> None:
        await delete_room(uow=self.chat, cache=self.cache, account_id=account_id or self.account_id, room_id=room.id)

    async def post(
        self,
        room: Room,
        content: str = "A question",
        *,
        model: str | None = None,
        key: str | None = None,
        account_id: UUID | None = None,
        max_pending: int = 20,
    ) -> Accepted:
        return await post_message(
            uow=self.chat,
            queue=self.queue,
            cache=self.cache,
            catalogue=self.catalogue,
            max_pending=max_pending,
            account_id=account_id or room.account_id,
            room_id=room.id,
            content=content,
            model=model,
            key=key,
            new_id=self.new_id,
            now=self.now(),
        )

    async def reply(self, room: Room | None = None, content: str = "A question") -> Message:
        """A reply that waits to be written, off the queue already."""
        accepted = await self.post(room or await self.room(), content)
        assert await self.queue.take() == accepted.reply.id
        return accepted.reply

    def writer(
        self, *, uow: ChatUnitOfWork | None = None, stream: ReplyStream | None = None, **limits: float
    ) -> ReplyWriter:
        return ReplyWriter(
            uow=uow or self.chat,
            stream=stream or self.stream,
            queue=self.queue,
            signals=self.signals,
            meter=self.meter,
            catalogue=self.catalogue,
            limits=replace(LIMITS, **limits),
            now=self.now,
            jitter=lambda: self.chance,
        )

    async def write(self, reply: Message, **limits: float) -> Message:
        """Let a worker have the reply, and see what became of it."""
        await self.writer(**limits).write(reply.id)
        return await self.message(reply)

    async def attempt(self, reply: Message, **limits: float) -> Message:
        """As `write`, as soon as the reply is due."""
        await asyncio.sleep(max(0.0, self.due_in(reply)))
        return await self.write(reply, **limits)

    @asynccontextmanager
    async def writing(
        self, reply: Message, writer: ReplyWriter | None = None
    ) -> AsyncGenerator[asyncio.Task[None], None]:
        """A worker that writes the reply beside the test. It must be done at the end."""
        task = asyncio.create_task((writer or self.writer()).write(reply.id))
        try:
            yield task
            await task
        finally:
            task.cancel()

    async def stop(self, reply: Message, *, account_id: UUID | None = None) -> Message:
        return await stop_reply(
            uow=self.chat,
            stream=self.stream,
            queue=self.queue,
            signals=self.signals,
            meter=self.meter,
            account_id=account_id or self.account_id,
            room_id=reply.room_id,
            reply_id=reply.id,
            now=self.now,
        )

    async def follow(
        self,
        reply: Message,
        after: EventId | None = None,
        *,
        stream: ReplyStream | None = None,
        uow: ChatUnitOfWork | None = None,
    ) -> AsyncGenerator[ReplyEvent, None]:
        """What a reader is sent."""
        following = follow_reply(
            uow=uow or self.chat,
            stream=stream or self.stream,
            account_id=self.account_id,
            room_id=reply.room_id,
            reply_id=reply.id,
            after=after,
            quiet=QUIET,
        )
        async with aclosing(following) as events:
            assert isinstance(await anext(events), Snapshot)
            async for event in events:
                yield event

    async def message(self, message: Message) -> Message:
        async with self.chat(read_only=True) as unit:
            found = await unit.messages.get(message.id, message.room_id, self.account_id)
        assert found is not None
        return found

    async def claim(self, reply: Message, *, lease: float = LIMITS.lease) -> Claim | None:
        """What a worker takes that then does nothing."""
        async with self.chat() as unit:
            claim = await unit.replies.claim(reply.id, lease=lease)
            await unit.commit()
        return claim

    async def queued(self) -> list[UUID]:
        """What is on the queue, taken off it."""
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

    async def put_on(self, plan: Plan) -> None:
        async with self.billing() as unit:
            await unit.plans.override(self.account_id, plan)
            await unit.commit()

    def due_in(self, reply: Message) -> float:
        """Seconds until a pending reply is due."""
        return (self.database.committed.replies[reply.id].claimable_at - self.now()).total_seconds()


class SlowUnitOfWork:
    """A database that takes its time, and counts the transactions that were cut off meanwhile."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self._uow = uow
        self.seconds = 0.0
        self.on_disconnect = 0

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._uow(read_only=read_only) as unit:
            try:
                await asyncio.sleep(self.seconds)
            except asyncio.CancelledError:
                self.on_disconnect += 1
                raise
            yield unit


class FreezingUnitOfWork:
    """A database that a worker reaches only while it is not frozen."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self._uow = uow
        self.awake = asyncio.Event()
        self.awake.set()

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[ChatUnit, None]:
        await self.awake.wait()
        async with self._uow(read_only=read_only) as unit:
            yield unit
