"""The contract of every rate limiter. Periods are short for the adapters that use real time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from parley.adapters.memory.rate_limit import MemoryRateLimiter
from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.core.ports import LimitedUse, RateLimiter
from tests.contracts.redis_fixtures import redis_client

PER = 0.5


@dataclass(frozen=True)
class Limiter:
    """A rate limiter, and a way to let seconds pass for it."""

    rate_limiter: RateLimiter
    let_pass: Callable[[float], Awaitable[None]]

    async def take(self, key: str = "key", *, limit: int = 3, per: float = PER) -> float:
        return await self.rate_limiter.take(key, limit=limit, per=per)


@asynccontextmanager
async def memory() -> AsyncGenerator[Limiter, None]:
    now = 1024.0

    async def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    yield Limiter(MemoryRateLimiter(lambda: now), let_pass)


@asynccontextmanager
async def redis() -> AsyncGenerator[Limiter, None]:
    async with redis_client() as client:
        yield Limiter(RedisRateLimiter(client, prefix=f"{uuid4()}:"), asyncio.sleep)


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(redis, id="redis")])
async def limiter(request):
    async with request.param() as made:
        yield made


async def test_uses_up_to_the_limit_are_counted_and_the_next_gets_its_wait(limiter):
    assert [await limiter.take() for _ in range(3)] == [0.0] * 3
    assert 0 < await limiter.take() <= PER


async def test_refused_use_succeeds_after_its_wait(limiter):
    for _ in range(3):
        await limiter.take()
    await limiter.let_pass(PER / 4)

    wait = await limiter.take()
    assert wait <= PER * 3 / 4
    await limiter.let_pass(wait)
    assert await limiter.take() == 0.0


async def test_refused_uses_are_not_counted(limiter):
    for _ in range(3):
        await limiter.take()
    for _ in range(5):
        assert await limiter.take() > 0
    await limiter.let_pass(PER)

    assert [await limiter.take() for _ in range(3)] == [0.0] * 3


async def test_window_slides_with_the_uses(limiter):
    await limiter.take(limit=2)
    await limiter.let_pass(PER / 2)
    await limiter.take(limit=2)
    await limiter.let_pass(PER / 2)

    # The first has left the window, the second has not.
    assert await limiter.take(limit=2) == 0.0
    assert 0 < await limiter.take(limit=2) <= PER / 2


async def test_keys_are_counted_separately(limiter):
    for key in ("one", "other", "ключ \x00"):
        assert await limiter.take(key, limit=1) == 0.0
        assert await limiter.take(key, limit=1) > 0


async def test_period_of_zero_seconds_has_no_limit(limiter):
    assert [await limiter.take(limit=1, per=0) for _ in range(3)] == [0.0] * 3


async def test_count_is_exact_under_parallel_calls(limiter):
    waits = await asyncio.gather(*(limiter.take(limit=5, per=60) for _ in range(100)))

    assert waits.count(0.0) == 5
    assert all(0 < wait <= 60 for wait in waits if wait != 0.0)


async def test_several_keys_are_counted_together_or_not_at_all(limiter):
    narrow, wide = LimitedUse("narrow", 1, 60), LimitedUse("wide", 3, 30)
    take = limiter.rate_limiter.take_all

    assert await take(narrow, wide) == 0.0
    for _ in range(5):
        assert 30 < await take(narrow, wide) <= 60
    assert [await take(wide) for _ in range(2)] == [0.0] * 2
    assert 0 < await take(wide, LimitedUse("unused", 1, 60)) <= 30
    assert await take(LimitedUse("unused", 1, 60)) == 0.0


async def test_use_given_back_is_not_counted(limiter):
    for key in ("one", "other"):
        await limiter.take(key, limit=1, per=60)
    await limiter.rate_limiter.give_back(["one", "never used"])

    assert await limiter.take("one", limit=1, per=60) == 0.0
    assert await limiter.take("other", limit=1, per=60) > 0


async def test_all_uses_of_a_key_are_given_back_with_those_that_were_counted_with_them(limiter):
    narrow, other, wide = LimitedUse("narrow", 9, 60), LimitedUse("other", 9, 60), LimitedUse("wide", 4, 60)
    for use in (narrow, other, narrow, other):
        assert await limiter.rate_limiter.take_all(use, wide) == 0.0
        await limiter.let_pass(0.001)
    assert await limiter.rate_limiter.take_all(wide) > 0
    await limiter.rate_limiter.give_back_all("narrow", also=["wide", "never used"])
    await limiter.rate_limiter.give_back_all("narrow", also=["wide"])
    await limiter.rate_limiter.give_back_all("never used", also=["wide"])

    assert [await limiter.take("wide", limit=4, per=60) for _ in range(2)] == [0.0] * 2
    assert await limiter.take("wide", limit=4, per=60) > 0
    assert [await limiter.take("narrow", limit=9, per=60) for _ in range(9)] == [0.0] * 9
    assert [await limiter.take("other", limit=9, per=60) > 0 for _ in range(8)] == [False] * 7 + [True]


async def test_uses_that_expire_later_remain_when_others_are_given_back(limiter):
    early, late = LimitedUse("early", 9, 60), LimitedUse("late", 9, 60)
    wide = LimitedUse("wide", 2, PER)
    assert await limiter.rate_limiter.take_all(early, wide) == 0.0
    await limiter.let_pass(PER / 2)
    assert await limiter.rate_limiter.take_all(late, wide) == 0.0
    await limiter.rate_limiter.give_back_all("early", also=["wide"])
    assert await limiter.take("wide", limit=2, per=PER) == 0.0
    await limiter.let_pass(PER / 2)

    assert await limiter.take("wide", limit=2, per=PER) > 0
