"""What every throttle keeps to. Spans are short, for adapters whose time is the real one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.core.ports import RateLimiter
from tests.contracts.redis_fixtures import redis_link

PER = 0.5


@dataclass(frozen=True)
class Bench:
    """A throttle, and a way to let seconds pass for it."""

    rate_limiter: RateLimiter
    let_pass: Callable[[float], Awaitable[None]]

    async def take(self, key: str = "key", *, limit: int = 3, per: float = PER) -> float:
        return await self.rate_limiter.take(key, limit=limit, per=per)


@asynccontextmanager
async def memory() -> AsyncGenerator[Bench, None]:
    now = 1024.0

    async def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    yield Bench(MemoryRateLimiter(lambda: now), let_pass)


@asynccontextmanager
async def redis() -> AsyncGenerator[Bench, None]:
    async with redis_link() as link:
        yield Bench(RedisRateLimiter(link, prefix=f"{uuid4()}:"), asyncio.sleep)


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(redis, id="redis")])
async def bench(request):
    async with request.param() as made:
        yield made


async def test_uses_up_to_the_limit_are_counted_and_the_next_is_told_how_long_to_wait(bench):
    assert [await bench.take() for _ in range(3)] == [0.0] * 3
    assert 0 < await bench.take() <= PER


async def test_refused_use_may_come_after_the_wait_it_was_told(bench):
    for _ in range(3):
        await bench.take()
    await bench.let_pass(PER / 4)

    wait = await bench.take()
    assert wait <= PER * 3 / 4
    await bench.let_pass(wait)
    assert await bench.take() == 0.0


async def test_refused_uses_are_not_counted(bench):
    for _ in range(3):
        await bench.take()
    for _ in range(5):
        assert await bench.take() > 0
    await bench.let_pass(PER)

    assert [await bench.take() for _ in range(3)] == [0.0] * 3


async def test_window_slides_with_the_uses(bench):
    await bench.take(limit=2)
    await bench.let_pass(PER / 2)
    await bench.take(limit=2)
    await bench.let_pass(PER / 2)

    # The first has left the window, the second has not.
    assert await bench.take(limit=2) == 0.0
    assert 0 < await bench.take(limit=2) <= PER / 2


async def test_keys_are_counted_apart(bench):
    for key in ("one", "other", "ключ \x00"):
        assert await bench.take(key, limit=1) == 0.0
        assert await bench.take(key, limit=1) > 0


async def test_span_of_zero_seconds_holds_no_uses(bench):
    assert [await bench.take(limit=1, per=0) for _ in range(3)] == [0.0] * 3


async def test_count_is_exact_under_parallel_calls(bench):
    waits = await asyncio.gather(*(bench.take(limit=5, per=60) for _ in range(100)))

    assert waits.count(0.0) == 5
    assert all(0 < wait <= 60 for wait in waits if wait != 0.0)
