"""A deployment in one process whose workers, queue, reply streams and clock can fail in every way."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
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
from parley.core.chat import ChatPorts
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import ModelCatalogue, Provider
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.language_model import Finished, ModelEvent, Text
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.model import Chunk, Conversation, EventId, Message, join_chunks, split_into_chunks
from parley.core.chat.parts import Part
from parley.core.chat.ports import StreamEnd, StreamSubscription
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.chat.write_reply import write_reply
from parley.core.text import make_storable
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.chat import FakeAcceptance, FakeChatUnitOfWork
from tests.fakes.plans import plans_of
from tests.unit.billing.scenario import RecordingQueue, billing_ports
from tests.unit.billing.scripted_provider import ScriptedProvider
from tests.unit.invariants_audit import Audit, WatchedDatabase

BEGINNING = datetime(2026, 3, 14, 20, tzinfo=UTC)
BASIC_LIMIT = 6
LEASE = 15.0
MAX_PENDING = 6
LIMITS = ReplyLimits(
    first_token=30, idle=20, total=300, attempts=3, lease=LEASE, context_characters=100_000, max_pending=MAX_PENDING
)
Step = str | Finished | Exception | None


class StreamFault(Enum):
    NONE = "none"
    LOSES = "loses"
    REPEATS = "repeats"


class WorkerDied(Exception):
    pass


class Door:
    """Everything that a worker does outside its process passes here: it waits while frozen, and fails once it died."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.dead = False

    async def pass_through(self) -> None:
        await self.open.wait()
        if self.dead:
            raise WorkerDied


class LossyQueue:
    """A queue whose ids a test may lose, repeat and reorder."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    async def put(self, reply_id: UUID) -> None:
        self.ids.append(reply_id)


class FaultyStream(MemoryReplyStream):
    """A reply stream with the given fault."""

    def __init__(self) -> None:
        super().__init__()
        self.fault = StreamFault.NONE

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        if self.fault is not StreamFault.LOSES:
            await super().append(reply_id, chunk)

    async def end(self, reply_id: UUID) -> None:
        if self.fault is not StreamFault.LOSES:
            await super().end(reply_id)

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        async with super().follow(reply_id) as chunks:
            yield FaultySubscription(self, chunks)


class FaultySubscription:
    """While the stream repeats, each chunk comes behind earlier ones and all text so far."""

    def __init__(self, stream: FaultyStream, chunks: StreamSubscription) -> None:
        self._stream = stream
        self._chunks = chunks
        self._first: Chunk | None = None
        self._attempt: list[Chunk] = []
        self._queue: deque[Chunk | StreamEnd] = deque()

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        if not self._queue:
            arrival = await self._chunks.receive(within=within)
            if not isinstance(arrival, Chunk):
                return arrival
            self._queue.extend([*self._repetitions(arrival), arrival])
        return self._queue.popleft()

    def _repetitions(self, arrival: Chunk) -> list[Chunk]:
        earlier = [chunk for chunk in self._attempt if chunk.attempt == arrival.attempt]
        self._attempt = [*earlier, arrival]
        if self._first is None and arrival.text:
            self._first = arrival
        if self._stream.fault is not StreamFault.REPEATS or not earlier:
            return []
        so_far = split_into_chunks(arrival.attempt, join_chunks(self._attempt))
        return [chunk for chunk in (self._first, earlier[-1], *so_far) if chunk is not None]


class World:
    """The chat module and what surrounds it. `skipped` are the seconds that passed besides the event loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.skipped = 0.0
        self.audit = Audit(clock=self.now, basic_limit=BASIC_LIMIT)
        self.database = WatchedDatabase(self.audit, self.now)
        self.billing = billing_ports(
            FakeBillingUnitOfWork(self.database), ScriptedProvider(), RecordingQueue(), now=self.now
        )
        self.stream = FaultyStream()
        self.queue = LossyQueue()
        # Positions at which a reader was, with its text.
        self.positions: dict[UUID, list[tuple[EventId, str]]] = defaultdict(list)
        self._numbers = itertools.count(1)
        meter = LoggedReplies(Metrics())
        self.uow = FakeChatUnitOfWork(self.database, plans_of(BASIC_LIMIT))
        self.chat = ChatPorts(
            uow=self.uow,
            acceptance=FakeAcceptance(self.database, plans_of(BASIC_LIMIT)),
            catalogue=ModelCatalogue({"vendor": Provider(SteeredModel(self, UUID(int=0)), ("a",))}, "vendor/a"),
            plans=AccountPlans(plans_of(BASIC_LIMIT), self.uow, now=self.now),
            prices=KnownPrices({}, {}),
            queue=self.queue,
            title_queue=MemoryQueue(),
            stream=self.stream,
            stop_signals=MemoryStopSignals(),
            room_list_cache=MemoryRoomListCache(seconds=600, clock=loop.time),
            shared_reads=SharedReads(),
            meter=meter,
            breakers=CircuitBreakers(clock=loop.time, jitter=lambda: 0.5, on_change=meter.circuit_changed),
            tickets=JwtStreamTickets(["x" * 32]),
            limits=LIMITS,
            renewals=LeaseRenewals(self.uow, lease=LEASE),
            worker_id=UUID(int=0),
            now=self.now,
            new_id=self.new_id,
            new_token=token_urlsafe,
            jitter=lambda: 0.5,
        )

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.loop.time() + self.skipped)

    def new_id(self) -> UUID:
        return UUID(int=next(self._numbers))

    def find(self, reply_id: UUID) -> Message | None:
        return self.database.committed.messages.get(reply_id)


class SteeredModel:
    """Follows the steps that rules put on its queue, unless its worker is frozen."""

    def __init__(self, world: World, reply_id: UUID) -> None:
        self._world = world
        self._reply_id = reply_id
        self.door = Door()
        self.steps: asyncio.Queue[Step] = asyncio.Queue()
        self.text = ""
        self.attempt = 0

    async def reply(self, _model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        self._world.audit.check_conversation(self._world.database.committed, self._reply_id, conversation)
        if (reply := self._world.find(self._reply_id)) is not None:
            self.attempt = reply.attempt
        while (step := await self.steps.get()) is not None:
            await self.door.pass_through()
            if isinstance(step, Exception):
                raise step
            if isinstance(step, str):
                self.text += make_storable(step)
            yield Text(step) if isinstance(step, str) else step
            if isinstance(step, Finished):
                return

    async def close(self) -> None:
        """Nothing to close."""


class Worker:
    """A worker that writes one reply concurrently."""

    def __init__(self, world: World, reply_id: UUID, *steps: Step) -> None:
        self.reply_id = reply_id
        self.model = SteeredModel(world, reply_id)
        for step in steps:
            self.model.steps.put_nowait(step)
        self.door = self.model.door
        uow = _UnitOfWorkBehind(self.door, world.uow)
        chat = replace(
            world.chat,
            uow=uow,
            renewals=LeaseRenewals(uow, lease=LEASE),
            stream=_StreamBehind(self.door, world.stream),
            catalogue=ModelCatalogue({"vendor": Provider(self.model, ("a",))}, "vendor/a"),
        )
        self.task = world.loop.create_task(write_reply(chat, reply_id))

    async def die(self) -> None:
        """The worker ends without being able to do anything more, not even to release its reply."""
        self.door.dead = True
        await self.shut_down()

    async def shut_down(self) -> None:
        """Cancel the worker; one that is frozen is woken up first."""
        self.door.open.set()
        self.task.cancel()
        await asyncio.wait([self.task])

    @property
    def ended_as_expected(self) -> bool:
        if self.task.cancelled() or self.task.exception() is None:
            return True
        return isinstance(self.task.exception(), WorkerDied | LookupError)


class _UnitOfWorkBehind:
    def __init__(self, door: Door, uow: ChatUnitOfWork) -> None:
        self._door = door
        self._uow = uow

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        await self._door.pass_through()
        async with self._uow(read_only=read_only, single=single) as unit:
            yield unit


class _StreamBehind:
    def __init__(self, door: Door, stream: MemoryReplyStream) -> None:
        self._door = door
        self._stream = stream

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        await self._door.pass_through()
        await self._stream.append(reply_id, chunk)

    async def end(self, reply_id: UUID) -> None:
        await self._door.pass_through()
        await self._stream.end(reply_id)

    async def parts_so_far(self, reply_id: UUID) -> tuple[Part, ...]:
        return await self._stream.parts_so_far(reply_id)
