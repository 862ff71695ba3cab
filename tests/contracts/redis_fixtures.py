"""Redis for the contract tests: one shared server, and servers that a test may kill."""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID, uuid4

from redis import Redis

from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.client.background import running_in_background
from parley.adapters.redis.client.connection import ANSWER_SECONDS, RedisClient
from parley.adapters.redis.client.outage import RedisOutage
from parley.adapters.redis.pubsub import PING_SECONDS, PubSub
from parley.adapters.redis.queue import TaskiqQueue
from parley.adapters.redis.reply_stream.stream import RedisReplyStream
from parley.adapters.redis.stop_signals import RedisStopSignals
from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.model import Ending, Message, Room, Status
from parley.core.chat.ports import ReplyStream
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot
from parley.runtime.outage_log import OutageLog
from tests.contracts.chat_fixtures import NOW, Store, store_over
from tests.fakes.database import FakeDatabase
from tests.fakes.streams import always
from tests.servers.redis_server import RedisServer, shared_redis_url

PATIENCE = 10.0
LONG = 3_600.0


@cache
def shared_redis() -> str:
    """The URL of the Redis that all tests of this run share, started on first use."""
    given = shared_redis_url()
    if given is not None:
        # Ids repeat in every run.
        with Redis.from_url(given) as client:
            client.flushdb()
        return given
    server = RedisServer().start()
    atexit.register(server.stop)
    return server.url


@contextmanager
def own_redis(*, append_only: bool = False) -> Iterator[RedisServer]:
    """A server that the test may kill, restart and empty."""
    server = RedisServer(append_only=append_only).start()
    try:
        yield server
    finally:
        server.stop()


def logged_outage() -> RedisOutage:
    return RedisOutage(OutageLog("redis"))


@dataclass
class Process:
    """The Redis adapters of one process of parley."""

    client: RedisClient
    ping_seconds: float = PING_SECONDS
    pubsub: PubSub = field(init=False)
    stream: RedisReplyStream = field(init=False)
    signals: RedisStopSignals = field(init=False)

    def __post_init__(self) -> None:
        self.pubsub = PubSub(self.client, ping_seconds=self.ping_seconds)
        self.stream = RedisReplyStream(self.client, self.pubsub)
        self.signals = RedisStopSignals(self.client, self.pubsub)


@asynccontextmanager
async def process(
    url: str, *, prefix: str = "", ping_seconds: float = PING_SECONDS, answer_seconds: float = ANSWER_SECONDS
) -> AsyncGenerator[Process, None]:
    async with AsyncExitStack() as stack:
        made = Process(
            RedisClient(url, prefix=prefix, outage=logged_outage(), answer_seconds=answer_seconds), ping_seconds
        )
        stack.push_async_callback(made.client.close)
        for part in (made.pubsub, made.stream, made.signals):
            await stack.enter_async_context(part.running())
        yield made


@asynccontextmanager
async def redis_stream() -> AsyncGenerator[RedisReplyStream, None]:
    async with process(shared_redis()) as made:
        yield made.stream


@asynccontextmanager
async def redis_client(url: str | None = None) -> AsyncGenerator[RedisClient, None]:
    # Long enough for a busy machine. The outages of these tests fail at once.
    client = RedisClient(url or shared_redis(), outage=logged_outage(), answer_seconds=PATIENCE)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def redis_queue() -> AsyncGenerator[tuple[TaskiqQueue, Callable[[], Awaitable[UUID]]], None]:
    """A new queue, and a function that takes from two workers that listen to it."""
    taken: asyncio.Queue[UUID] = asyncio.Queue()
    async with redis_client() as client:
        brokers = [AtMostOnceBroker(shared_redis(), client, queue=f"parley:queue:{uuid4()}") for _ in range(2)]
        for broker in brokers:
            await broker.startup()
        async with running_in_background(*(_listen(broker, taken) for broker in brokers)):
            yield TaskiqQueue(brokers[0], "write_reply", seconds=PATIENCE), taken.get
        for broker in brokers:
            await broker.shutdown()


async def _listen(broker: AtMostOnceBroker, taken: asyncio.Queue[UUID]) -> None:
    async for data in broker.listen():
        message = broker.formatter.loads(data)
        assert message.task_name == "write_reply"
        taken.put_nowait(UUID(message.args[0]))


async def becomes_true(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until the condition is true; TimeoutError after PATIENCE seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)


@dataclass
class Reader:
    """Follows one reply as a client would, and checks that each event continues the one before."""

    text: str = ""
    attempts: list[int] = field(default_factory=list)
    message: Message | None = None
    events: int = 0

    def read(self, event: ReplyEvent) -> None:
        self.events += 1
        match event:
            case AttemptStarted(event_id):
                self.text = ""
                self.attempts.append(event_id.attempt)
            case Delta(event_id, text):
                self.text += text
                assert event_id.offset == len(self.text), "a gap or a repeat"
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
            may_read=always,
        ):
            self.read(event)


@dataclass
class FollowedReply:
    """A reply in a store and a reader that follows it."""

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
        """End the reply and wait until the reader has finished."""
        await self.end_in_the_database(text)
        await stream.end(self.reply.id)
        async with asyncio.timeout(PATIENCE):
            await self.following


@asynccontextmanager
async def followed_reply(stream: ReplyStream) -> AsyncGenerator[FollowedReply, None]:
    store = store_over(FakeDatabase())
    room = await store.new_room()
    reply = await store.new_reply(room)
    reader = Reader()
    following = asyncio.create_task(reader.follow(store, stream, room, reply))
    try:
        yield FollowedReply(store, room, reply, reader, following)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
