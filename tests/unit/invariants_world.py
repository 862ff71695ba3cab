"""A deployment in one process in which everything can go wrong: workers, the queue, the wire to readers, time."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import LoggedReplies
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.limits import ReplyLimits
from parley.core.chat.model import Chunk, Conversation, EventId, Finished, Message
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.chat.write_reply import ReplyWriter
from parley.core.text import make_storable
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeChatUnitOfWork
from tests.unit.billing.scenario import RecordingQueue, billing_ports
from tests.unit.billing.scripted_provider import ScriptedProvider
from tests.unit.invariants_audit import Audit, WatchedDatabase

BEGINNING = datetime(2026, 3, 14, 20, tzinfo=UTC)
BASIC_LIMIT = 6
LEASE = 15.0
LIMITS = ReplyLimits(
    first_token=30, idle=20, total=300, attempts=3, lease=LEASE, context_characters=100_000, max_pending=20
)
Step = str | Finished | Exception | None


class Transport(Enum):
    SOUND = "sound"
    LOSES = "loses"
    REPEATS = "repeats"


class WorkerDied(Exception):
    pass


class Door:
    """What a worker must pass to reach anything outside: shut while it is frozen, and a wall once it died."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.dead = False

    async def pass_through(self) -> None:
        await self.open.wait()
        if self.dead:
            raise WorkerDied


class LossyQueue:
    """Ids that a test may lose, repeat and reorder."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def put(self, reply_id: UUID) -> None:
        self.ids.append(reply_id)


class LossyStream(MemoryReplyStream):
    """The wire to readers, as bad as `wire` says."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Transport.SOUND
        self._first: dict[UUID, Chunk] = {}

    async def append(self, reply_id: UUID, piece: Chunk) -> None:
        first = self._first.setdefault(reply_id, piece) if piece.text else piece
        log = self._logs.get(reply_id)
        if self.wire is Transport.REPEATS and log is not None and log.pieces:
            so_far = Chunk(log.pieces[-1].attempt, 0, await self.text_so_far(reply_id))
            if (piece.attempt, piece.start) == (so_far.attempt, so_far.end):
                so_far = replace(so_far, text=so_far.text + piece.text)
            for reader, repeated in itertools.product(log.readers, (first, log.pieces[-1], so_far)):
                reader.bring(repeated)
        if self.wire is not Transport.LOSES:
            await super().append(reply_id, piece)

    async def end(self, reply_id: UUID) -> None:
        if self.wire is not Transport.LOSES:
            await super().end(reply_id)


class World:
    """`skipped` seconds went by in which nobody did anything, on top of the event loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.skipped = 0.0
        self.audit = Audit(clock=self.now, basic_limit=BASIC_LIMIT)
        self.database = WatchedDatabase(self.audit)
        self.chat = FakeChatUnitOfWork(self.database, basic_limit=BASIC_LIMIT, database_clock=self.now)
        self.billing = billing_ports(
            FakeBillingUnitOfWork(self.database), ScriptedProvider(), RecordingQueue(), now=self.now
        )
        self.stream = LossyStream()
        self.queue = LossyQueue()
        self.signals = MemoryStopSignals()
        self.meter = LoggedReplies(Metrics())
        self.cache = MemoryRoomListCache(seconds=600, clock=loop.time)
        self.catalogue = ModelCatalogue({"vendor": Provider(SteeredModel(self, UUID(int=0)), ("a",))}, "vendor/a")
        # What any reader held at any place.
        self.places: dict[UUID, list[tuple[EventId, str]]] = defaultdict(list)
        self._numbers = itertools.count(1)

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.loop.time() + self.skipped)

    def new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    def find(self, reply_id: UUID) -> Message | None:
        return self.database.committed.messages.get(reply_id)


class SteeredModel:
    """Writes what it is told to, when it is told to, unless its worker is frozen."""

    def __init__(self, world: World, reply_id: UUID) -> None:
        self._world = world
        self._reply_id = reply_id
        self.door = Door()
        self.steps: asyncio.Queue[Step] = asyncio.Queue()
        self.text = ""
        self.attempt = 0

    async def reply(self, _model: str, conversation: Conversation) -> AsyncGenerator[str | Finished, None]:
        self._world.audit.see_question(self._world.database.committed, self._reply_id, conversation)
        if (asked_for := self._world.find(self._reply_id)) is not None:
            self.attempt = asked_for.attempt
        while (step := await self.steps.get()) is not None:
            await self.door.pass_through()
            if isinstance(step, Exception):
                raise step
            if isinstance(step, str):
                self.text += make_storable(step)
            yield step
            if isinstance(step, Finished):
                return

    async def close(self) -> None:
        """There is nothing to give up."""


class Worker:
    """A ReplyWriter with one reply, beside the test."""

    def __init__(self, world: World, reply_id: UUID, *steps: Step) -> None:
        self.reply_id = reply_id
        self.model = SteeredModel(world, reply_id)
        for step in steps:
            self.model.steps.put_nowait(step)
        self.door = self.model.door
        writer = ReplyWriter(
            uow=_UnitOfWorkBehind(self.door, world.chat),
            stream=_StreamBehind(self.door, world.stream),
            queue=world.queue,
            signals=world.signals,
            meter=world.meter,
            catalogue=ModelCatalogue({"vendor": Provider(self.model, ("a",))}, "vendor/a"),
            limits=LIMITS,
            now=world.now,
            jitter=lambda: 0.5,
        )
        self.task = world.loop.create_task(writer.write(reply_id))

    async def die(self) -> None:
        """Without a trace: it can do nothing any more, not even hand back what it has."""
        self.door.dead = True
        await self.leave()

    async def leave(self) -> None:
        """As at a shutdown, with a thawing first: a frozen process cannot leave."""
        self.door.open.set()
        self.task.cancel()
        await asyncio.wait([self.task])

    @property
    def ended_as_it_may(self) -> bool:
        if self.task.cancelled() or self.task.exception() is None:
            return True
        return isinstance(self.task.exception(), WorkerDied | LookupError)


class _UnitOfWorkBehind:
    def __init__(self, door: Door, uow: ChatUnitOfWork) -> None:
        self._door = door
        self._uow = uow

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[ChatUnit, None]:
        await self._door.pass_through()
        async with self._uow(read_only=read_only) as unit:
            yield unit


class _StreamBehind:
    def __init__(self, door: Door, stream: MemoryReplyStream) -> None:
        self._door = door
        self._stream = stream

    async def append(self, reply_id: UUID, piece: Chunk) -> None:
        await self._door.pass_through()
        await self._stream.append(reply_id, piece)

    async def end(self, reply_id: UUID) -> None:
        await self._door.pass_through()
        await self._stream.end(reply_id)

    async def text_so_far(self, reply_id: UUID) -> str:
        return await self._stream.text_so_far(reply_id)
