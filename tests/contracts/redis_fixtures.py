"""Redis for the contracts: one server for all tests that leave it alive, and one of its own for those that do not."""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import pytest

from parley.adapters.redis.channels import Channels
from parley.adapters.redis.connection import RedisLink
from parley.adapters.redis.reply_stream import RedisReplyStream
from parley.adapters.redis.stop_signals import RedisStopSignals
from tests.servers.redis_server import RedisServer, shared_redis_url

PATIENCE = 10.0


@cache
def shared_redis() -> str:
    """The address of the Redis for all tests of this run, started when the first asks for it."""
    given = shared_redis_url()
    if given is not None:
        return given
    server = RedisServer().start()
    atexit.register(server.stop)
    return server.url


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that the test may kill, start again, and empty."""
    server = RedisServer().start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Process:
    """What one process of parley has of Redis."""

    link: RedisLink
    channels: Channels = field(init=False)
    stream: RedisReplyStream = field(init=False)
    signals: RedisStopSignals = field(init=False)

    def __post_init__(self) -> None:
        self.channels = Channels(self.link)
        self.stream = RedisReplyStream(self.link, self.channels)
        self.signals = RedisStopSignals(self.link, self.channels)


@asynccontextmanager
async def process(url: str) -> AsyncGenerator[Process, None]:
    async with AsyncExitStack() as stack:
        made = Process(RedisLink(url))
        stack.push_async_callback(made.link.close)
        for part in (made.channels, made.stream, made.signals):
            await stack.enter_async_context(part.running())
        yield made


@asynccontextmanager
async def redis_stream() -> AsyncGenerator[RedisReplyStream, None]:
    async with process(shared_redis()) as made:
        yield made.stream


async def becomes_true(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Wait until it holds; fails after PATIENCE seconds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)
