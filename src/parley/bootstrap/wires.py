"""How the parts of parley reach each other: inside one process, or over Redis."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.adapters.memory.reply_queue import MemoryReplyQueue, MemoryStopSignals
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.throttle import MemoryThrottle
from parley.core.chat.ports import ReplyQueue, ReplyStream, RoomListCache, StopSignals
from parley.core.ports import Throttle
from parley.settings import Settings, SettingsError

if TYPE_CHECKING:
    from taskiq import AsyncBroker

Context = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """Queue, streams, signals, cache and throttle of one kind.

    `in_api` and `in_worker` are open while a process of that sort runs. `ids` is what a worker inside the API process
    takes from, None where workers are processes of their own, which `broker` then serves.
    """

    queue: ReplyQueue
    stream: ReplyStream
    signals: StopSignals
    cache: RoomListCache
    throttle: Throttle
    in_api: Context
    in_worker: Context
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]]
    ids: MemoryReplyQueue | None = None
    broker: "AsyncBroker | None" = None


def chosen_wire(settings: Settings) -> Wire:
    """Raises SettingsError for an address that cannot be one of Redis."""
    if not settings.redis_url:
        return memory_wire(settings)
    try:
        return redis_wire(settings)
    except ValueError as error:
        raise SettingsError("REDIS_URL: cannot be read: write redis://:password@host:port/0.") from error


def memory_wire(settings: Settings) -> Wire:
    queue = MemoryReplyQueue()
    return Wire(
        queue=queue,
        stream=MemoryReplyStream(),
        signals=MemoryStopSignals(),
        cache=MemoryRoomListCache(seconds=settings.chatroom_cache_seconds, clock=time.monotonic),
        throttle=MemoryThrottle(time.monotonic),
        in_api=nullcontext,
        in_worker=nullcontext,
        health_checks={},
        ids=queue,
    )


def redis_wire(settings: Settings) -> Wire:
    # taskiq takes a quarter of a second to import, which the embedded mode need not wait for.
    from parley.adapters.redis.broker import HintBroker  # noqa: PLC0415
    from parley.adapters.redis.channels import Channels  # noqa: PLC0415
    from parley.adapters.redis.connection import RedisLink  # noqa: PLC0415
    from parley.adapters.redis.reply_queue import TaskiqReplyQueue  # noqa: PLC0415
    from parley.adapters.redis.reply_stream import RedisReplyStream  # noqa: PLC0415
    from parley.adapters.redis.room_list_cache import RedisRoomListCache  # noqa: PLC0415
    from parley.adapters.redis.stop_signals import RedisStopSignals  # noqa: PLC0415
    from parley.adapters.redis.throttle import RedisThrottle  # noqa: PLC0415

    link = RedisLink(settings.redis_url)
    channels = Channels(link)
    stream = RedisReplyStream(link, channels)
    signals = RedisStopSignals(link, channels)
    cache = RedisRoomListCache(link, seconds=settings.chatroom_cache_seconds)
    broker = HintBroker(settings.redis_url)

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

    return Wire(
        queue=TaskiqReplyQueue(broker),
        stream=stream,
        signals=signals,
        cache=cache,
        throttle=RedisThrottle(link),
        in_api=in_api,
        in_worker=in_worker,
        health_checks={"redis": link.answers},
        broker=broker,
    )
