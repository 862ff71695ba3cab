"""Redis for the contracts: one server for all tests that leave it alive, and one of its own for those that do not."""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import UUID, uuid4

from redis import Redis

from parley.adapters.redis.broker import HintBroker
from parley.adapters.redis.client.connection import RedisClient, running_in_background
from parley.adapters.redis.pubsub import PULSE_SECONDS, PubSub
from parley.adapters.redis.queue import TaskiqQueue
from parley.adapters.redis.reply_stream.stream import RedisReplyStream
from parley.adapters.redis.stop_signals import RedisStopSignals
from parley.core.chat.events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot
from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.model import Ending, Message, Room, Status
from parley.core.chat.ports import ReplyStream
from tests.contracts.chat_fixtures import NOW, Store, memory
from tests.servers.redis_server import RedisServer, shared_redis_url

PATIENCE = 10.0
LONG = 3_600.0


@cache
def shared_redis() -> str:
    """The address of the Redis for all tests of this run, started when the first asks for it."""
    given = shared_redis_url()
    if given is not None:
        # Ids begin anew in every run.
        with Redis.from_url(given) as client:
            client.flushdb()
        return given
    server = RedisServer().start()
    atexit.register(server.stop)
    return server.url


@contextmanager
def own_redis(*, append_only: bool = False) -> Iterator[RedisServer]:
    """One that the test may kill, start again, and empty."""
    server = RedisServer(append_only=append_only).start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Process:
    """What one process of parley has of Redis."""

    link: RedisClient
    pulse: float = PULSE_SECONDS
    channels: PubSub = field(init=False)
    stream: RedisReplyStream = field(init=False)
    signals: RedisStopSignals = field(init=False)

    def __post_init__(self) -> None:
        self.channels = PubSub(self.link, pulse=self.pulse)
        self.stream = RedisReplyStream(self.link, self.channels)
        self.signals = RedisStopSignals(self.link, self.channels)


@asynccontextmanager
async def process(url: str, *, pulse: float = PULSE_SECONDS) -> AsyncGenerator[Process, None]:
    async with AsyncExitStack() as stack:
        made = Process(RedisClient(url), pulse)
        stack.push_async_callback(made.link.close)
        for part in (made.channels, made.stream, made.signals):
            await stack.enter_async_context(part.running())
        yield made


@asynccontextmanager
async def redis_stream() -> AsyncGenerator[RedisReplyStream, None]:
    async with process(shared_redis()) as made:
        yield made.stream


@asynccontextmanager
async def redis_link(url: str | None = None) -> AsyncGenerator[RedisClient, None]:
    # Patient, since the machine may be busy; outages are made to fail at once.
    link = RedisClient(url or shared_redis(), answer_seconds=PATIENCE)
    try:
        yield link
    finally:
        await link.close()


@asynccontextmanager
async def redis_queue() -> AsyncGenerator[tuple[TaskiqQueue, Callable[[], Awaitable[UUID]]], None]:
    """A queue of its own, and the taking end of two workers that listen to it."""
    taken: asyncio.Queue[UUID] = asyncio.Queue()
    async with redis_link() as link:
        brokers = [HintBroker(shared_redis(), link, queue=f"parley:queue:{uuid4()}") for _ in range(2)]
        for broker in brokers:
            await broker.startup()
        async with running_in_background(*(_listen(broker, taken) for broker in brokers)):
            yield TaskiqQueue(brokers[0], "write_reply", seconds=PATIENCE), taken.get
        for broker in brokers:
            await broker.shutdown()


async def _listen(broker: HintBroker, taken: asyncio.Queue[UUID]) -> None:
    async for data in broker.listen():
        message = broker.formatter.loads(data)
        assert message.task_name == "write_reply"
        taken.put_nowait(UUID(message.args[0]))


async def becomes_true(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until it holds; fails after PATIENCE seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)


@dataclass
class Reader:
    """Follows one reply as a client would, and checks each event against the place of the one before."""

    text: str = ""
    attempts: list[int] = field(default_factory=list)
    message: Message | None = None
    events: int = 0

    def read(self, event: ReplyEvent) -> None:
        self.events += 1
        match event:
            case AttemptStarted(place):
                self.text = ""
                self.attempts.append(place.attempt)
            case Delta(place, text):
                self.text += text
                assert place.offset == len(self.text), "a gap or a repeat"
            case ReplyEnded(_, message):
                self.message = message
            case Snapshot() | KeepAlive():
                pass

    async def follow(self, store: Store, stream: ReplyStream, room: Room, reply: Message) -> None:
        async for event in follow_reply(
            store.chat_ports(stream=stream),
            account_id=room.account_id,
            room_id=room.id,
            reply_id=reply.id,
            after=None,
            keep_alive_seconds=LONG,
        ):
            self.read(event)


@dataclass
class Scene:
    """A reply that is claimed, in a store, and a reader who follows it until the scene ends."""

    store: Store
    room: Room
    reply: Message
    reader: Reader
    following: asyncio.Task[None]

    async def shows(self, text: str) -> None:
        await becomes_true(lambda: self.reader.text == text)

    async def end_in_the_database(self, text: str) -> None:
        claim = await self.store.claim(self.reply)
        assert await self.store.end(claim, Ending(Status.COMPLETED, text, NOW))

    async def ends(self, text: str, stream: ReplyStream) -> None:
        """The reply ends, and so does the reader's following."""
        await self.end_in_the_database(text)
        await stream.end(self.reply.id)
        async with asyncio.timeout(PATIENCE):
            await self.following


@asynccontextmanager
async def scene(stream: ReplyStream) -> AsyncGenerator[Scene, None]:
    async with memory(Path()) as store:
        room = await store.new_room()
        reply = await store.new_reply(room)
        reader = Reader()
        following = asyncio.create_task(reader.follow(store, stream, room, reply))
        try:
            yield Scene(store, room, reply, reader, following)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
