"""How the parts of parley reach each other: inside one process, or over Redis."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.core.chat.ports import ReplyStream, RoomListCache, StopSignals
from parley.core.ports import RateLimiter
from parley.settings import Settings, SettingsError

if TYPE_CHECKING:
    from taskiq import AsyncBroker

Context = Callable[[], AbstractAsyncContextManager[None]]

# What workers do, by the name under which it is queued.
WRITE_REPLY = "write_reply"
DELIVER_CODE = "deliver_code"
PROCESS_EVENT = "process_event"
TASKS = (WRITE_REPLY, DELIVER_CODE, PROCESS_EVENT)


class Queue(Protocol):
    async def put(self, id_: UUID, /) -> None:
        """A hint that there is work on that id. It may be lost; raises nothing when it cannot be put."""


@dataclass(frozen=True, kw_only=True)
class Transport:
    """Queues by task, streams, signals, cache and throttle of one kind.

    `in_api` and `in_worker` are open while a process of that sort runs. `inside` are the queues that workers inside
    the API process take from; there are none where workers are processes of their own, which `broker` then serves.
    """

    queues: Mapping[str, Queue]
    stream: ReplyStream
    signals: StopSignals
    cache: RoomListCache
    rate_limiter: RateLimiter
    in_api: Context
    in_worker: Context
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]]
    inside: Mapping[str, MemoryQueue] = field(default_factory=dict)
    broker: "AsyncBroker | None" = None


def choose_transport(settings: Settings) -> Transport:
    """Raises SettingsError for an address that cannot be one of Redis."""
    if not settings.redis_url:
        return memory_transport(settings)
    try:
        return redis_transport(settings)
    except ValueError as error:
        raise SettingsError("REDIS_URL: cannot be read: write redis://:password@host:port/0.") from error


def memory_transport(settings: Settings) -> Transport:
    queues = {task: MemoryQueue() for task in TASKS}
    return Transport(
        queues=queues,
        stream=MemoryReplyStream(),
        signals=MemoryStopSignals(),
        cache=MemoryRoomListCache(seconds=settings.chatroom_cache_seconds, clock=time.monotonic),
        rate_limiter=MemoryRateLimiter(time.monotonic),
        in_api=nullcontext,
        in_worker=nullcontext,
        health_checks={},
        inside=queues,
    )


def redis_transport(settings: Settings) -> Transport:
    # taskiq takes a quarter of a second to import, which the embedded mode need not wait for.
    from parley.adapters.redis.broker import HintBroker  # noqa: PLC0415
    from parley.adapters.redis.client.connection import RedisClient  # noqa: PLC0415
    from parley.adapters.redis.pubsub import PubSub  # noqa: PLC0415
    from parley.adapters.redis.queue import TaskiqQueue  # noqa: PLC0415
    from parley.adapters.redis.rate_limit import RedisRateLimiter  # noqa: PLC0415
    from parley.adapters.redis.reply_stream.stream import RedisReplyStream  # noqa: PLC0415
    from parley.adapters.redis.room_list_cache import RedisRoomListCache  # noqa: PLC0415
    from parley.adapters.redis.stop_signals import RedisStopSignals  # noqa: PLC0415

    link = RedisClient(settings.redis_url)
    channels = PubSub(link)
    stream = RedisReplyStream(link, channels)
    signals = RedisStopSignals(link, channels)
    cache = RedisRoomListCache(link, seconds=settings.chatroom_cache_seconds)
    broker = HintBroker(settings.redis_url, link)

    @asynccontextmanager
    async def in_both() -> AsyncGenerator[AsyncExitStack, None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(link.close)
            await stack.enter_async_context(channels.running())
            await stack.enter_async_context(stream.running())
            yield stack

    @asynccontextmanager
    async def in_api() -> AsyncGenerator[None, None]:
        async with in_both() as stack:
            await stack.enter_async_context(cache.running())
            # A worker's broker is started and shut down by taskiq.
            stack.push_async_callback(broker.shutdown)
            await broker.startup()
            yield

    @asynccontextmanager
    async def in_worker() -> AsyncGenerator[None, None]:
        async with in_both() as stack:
            await stack.enter_async_context(signals.running())
            yield

    return Transport(
        queues={task: TaskiqQueue(broker, task) for task in TASKS},
        stream=stream,
        signals=signals,
        cache=cache,
        rate_limiter=RedisRateLimiter(link),
        in_api=in_api,
        in_worker=in_worker,
        health_checks={"redis": link.answers},
        broker=broker,
    )
