"""The connections between the parts of parley: inside one process, or over Redis."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.core.chat.ports import ReplyStream, RoomListCache, RoomSignals, StopSignals
from parley.core.chat.sweep import queue_reaches_workers
from parley.core.health import Checks
from parley.core.ports import Outage, RateLimiter
from parley.settings import Settings, SettingsError

if TYPE_CHECKING:
    from taskiq import AsyncBroker

    from parley.adapters.redis.client.connection import RedisClient
    from parley.adapters.redis.client.outage import RedisMeter

Context = Callable[[], AbstractAsyncContextManager[None]]

# The names of the tasks on the queue.
WRITE_REPLY = "write_reply"
WRITE_TITLE = "write_title"
DELIVER_CODE = "deliver_code"
PROCESS_EVENT = "process_event"
TASKS = (WRITE_REPLY, WRITE_TITLE, DELIVER_CODE, PROCESS_EVENT)


# How long `parley check` waits for Redis.
CHECK_SECONDS = 5.0
# Of each kind, in a worker that its queue does not reach: taskiq's own limit by default.
OWN_TASKS = 100
# How many replies such a worker takes for itself, until it has begun them. Others get as many.
OWN_BATCH = 25


class Queue(Protocol):
    async def put(self, id_: UUID, /) -> None:
        """Announce work on that id. It may be lost; a failure is logged and not raised."""


@dataclass(frozen=True, kw_only=True)
class Transport:
    """Queues by task name, reply streams, signals, cache and rate limiter, all of one kind.

    There are no `room_signals` where there is only one process.

    `in_api` and `in_worker` are open while an API process or a worker runs. The API process itself does the work of the
    `in_process_queues`; over Redis there are none, since workers are separate processes, which `broker` serves. What a
    worker's `queues` cannot send to others goes to its `own_queues`; `own_limit` is how many replies it may take for
    those, None while the queue reaches all workers.
    """

    queues: Mapping[str, Queue]
    stream: ReplyStream
    signals: StopSignals
    room_signals: RoomSignals | None
    cache: RoomListCache
    rate_limiter: RateLimiter
    in_api: Context
    in_worker: Context
    health_checks: Checks
    in_process_queues: Mapping[str, MemoryQueue] = field(default_factory=dict)
    broker: "AsyncBroker | None" = None
    own_queues: Mapping[str, MemoryQueue] = field(default_factory=dict)
    own_limit: Callable[[], int | None] = queue_reaches_workers


def choose_transport(
    settings: Settings,
    *,
    ready: Callable[[], Awaitable[None]] | None = None,
    outage: Outage | None = None,
    meter: "RedisMeter | None" = None,
    is_worker: bool = False,
) -> Transport:
    """In memory unless REDIS_URL is set. Raises SettingsError for an address that is not one of Redis.

    The broker's workers await `ready` before they take from the queue. `outage` and `meter` learn of outages of Redis.
    """
    if not settings.redis_url:
        return memory_transport(settings)
    try:
        return redis_transport(settings, ready, outage, meter, is_worker=is_worker)
    except ValueError as error:
        raise SettingsError("REDIS_URL: cannot be read: write redis://:password@host:port/0.") from error


def memory_transport(settings: Settings) -> Transport:
    queues = {task: MemoryQueue() for task in TASKS}
    return Transport(
        queues=queues,
        stream=MemoryReplyStream(),
        signals=MemoryStopSignals(),
        room_signals=None,
        cache=MemoryRoomListCache(seconds=settings.chatroom_cache_seconds, clock=time.monotonic),
        rate_limiter=MemoryRateLimiter(time.monotonic),
        in_api=nullcontext,
        in_worker=nullcontext,
        health_checks={},
        in_process_queues=queues,
    )


def redis_transport(
    settings: Settings,
    ready: Callable[[], Awaitable[None]] | None,
    report: Outage | None,
    meter: "RedisMeter | None",
    *,
    is_worker: bool,
) -> Transport:
    # Imported here since taskiq takes a quarter of a second, which the embedded mode does not need.
    from parley.adapters.redis.broker import AtMostOnceBroker  # noqa: PLC0415
    from parley.adapters.redis.client.connection import RedisClient  # noqa: PLC0415
    from parley.adapters.redis.client.outage import RedisOutage  # noqa: PLC0415
    from parley.adapters.redis.client.watch import RedisWatch  # noqa: PLC0415
    from parley.adapters.redis.pubsub import PubSub  # noqa: PLC0415
    from parley.adapters.redis.queue import TaskiqQueue  # noqa: PLC0415
    from parley.adapters.redis.rate_limit import RedisRateLimiter  # noqa: PLC0415
    from parley.adapters.redis.reply_stream.stream import RedisReplyStream  # noqa: PLC0415
    from parley.adapters.redis.room_list_cache import RedisRoomListCache  # noqa: PLC0415
    from parley.adapters.redis.room_signals import RedisRoomSignals  # noqa: PLC0415
    from parley.adapters.redis.stop_signals import RedisStopSignals  # noqa: PLC0415

    outage = RedisOutage(report, meter)
    client = RedisClient(settings.redis_url, prefix=settings.redis_prefix, outage=outage)
    watch = RedisWatch(client)
    pubsub = PubSub(client)
    stream, signals = RedisReplyStream(client, pubsub), RedisStopSignals(client, pubsub)
    cache = RedisRoomListCache(client, seconds=settings.chatroom_cache_seconds)
    broker = AtMostOnceBroker(settings.redis_url, client, ready=ready)
    own = {task: MemoryQueue() for task in TASKS} if is_worker else {}

    def own_limit() -> int | None:
        return OWN_BATCH - own[WRITE_REPLY].waiting if own and outage.lasts else None

    return Transport(
        queues={task: TaskiqQueue(broker, task, instead=own[task].put if task in own else None) for task in TASKS},
        stream=stream,
        signals=signals,
        room_signals=RedisRoomSignals(client, pubsub),
        cache=cache,
        rate_limiter=RedisRateLimiter(client),
        in_api=partial(_running, client, watch.running, pubsub.running, stream.running, cache.running, broker=broker),
        # In a worker taskiq starts the broker and shuts it down.
        in_worker=partial(
            _running, client, watch.running, pubsub.running, stream.running, signals.running, cache.running
        ),
        health_checks={"redis": watch.check},
        broker=broker,
        own_queues=own,
        own_limit=own_limit,
    )


async def redis_fault(settings: Settings) -> str | None:
    """What is wrong with the Redis of the settings, in one sentence; None if it does all that parley needs."""
    from parley.adapters.redis.client.connection import RedisClient  # noqa: PLC0415
    from parley.adapters.redis.client.probe import find_fault  # noqa: PLC0415

    client = RedisClient(settings.redis_url, prefix=settings.redis_prefix)
    try:
        fault = await find_fault(client, within=CHECK_SECONDS)
    finally:
        await client.close()
    return None if fault is None else str(fault)


@asynccontextmanager
async def _running(
    client: "RedisClient", *parts: Context, broker: "AsyncBroker | None" = None
) -> AsyncGenerator[None, None]:
    """Run the parts, in this order, and the broker; close the client at the end."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        for part in parts:
            await stack.enter_async_context(part())
        if broker is not None:
            stack.push_async_callback(broker.shutdown)
            await broker.startup()
        yield
