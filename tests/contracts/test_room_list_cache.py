"""What every cache of room lists keeps to. Lives are short, for adapters whose time is the real one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from parley.adapters.memory.room_list_cache import MemoryRoomListCache
from parley.adapters.redis.room_list_cache import RedisRoomListCache
from parley.core.chat.ports import CachedPage, CacheMiss, RoomListCache
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import redis_client

LIFE = 0.5
PAGE = CachedPage(b'{"items": []}', '"an etag"')
NEW_PAGE = CachedPage(b'{"items": [1]}', '"another etag"')


@dataclass(frozen=True)
class Bench:
    """A cache, and a way to let seconds pass for it."""

    cache: RoomListCache
    let_pass: Callable[[float], Awaitable[None]]

    async def found(self, account_id: UUID, limit: int = 50) -> CachedPage | None:
        looked_up = await self.cache.look_up(account_id, limit=limit)
        return looked_up if isinstance(looked_up, CachedPage) else None

    async def missed(self, account_id: UUID, limit: int = 50) -> CacheMiss:
        looked_up = await self.cache.look_up(account_id, limit=limit)
        assert isinstance(looked_up, CacheMiss)
        return looked_up

    async def fill(self, account_id: UUID, page: CachedPage = PAGE, limit: int = 50) -> None:
        missed = await self.missed(account_id, limit)
        await self.cache.store(account_id, page, limit=limit, missed=missed)


@asynccontextmanager
async def memory(seconds: float) -> AsyncGenerator[Bench, None]:
    now = 1024.0

    async def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    yield Bench(MemoryRoomListCache(seconds=seconds, clock=lambda: now), let_pass)


@asynccontextmanager
async def redis(seconds: float) -> AsyncGenerator[Bench, None]:
    async with redis_client() as link:
        yield Bench(RedisRoomListCache(link, seconds=seconds), asyncio.sleep)


CACHES = [pytest.param(memory, id="memory"), pytest.param(redis, id="redis")]


@pytest.fixture(params=CACHES)
async def bench(request):
    async with request.param(LIFE) as made:
        yield made


async def test_stored_page_is_found(bench):
    account_id = new_id()
    await bench.fill(account_id)

    assert await bench.found(account_id) == PAGE
    assert await bench.found(account_id) == PAGE


async def test_accounts_do_not_mix(bench):
    mine, other = new_id(), new_id()
    await bench.fill(mine)
    assert await bench.found(other) is None
    await bench.fill(other, NEW_PAGE)
    await bench.cache.drop(other)

    assert await bench.found(mine) == PAGE
    assert await bench.found(other) is None


async def test_sizes_do_not_mix(bench):
    account_id = new_id()
    await bench.fill(account_id, PAGE, limit=50)
    assert await bench.found(account_id, limit=5) is None
    await bench.fill(account_id, NEW_PAGE, limit=5)

    assert await bench.found(account_id, limit=50) == PAGE
    assert await bench.found(account_id, limit=5) == NEW_PAGE


async def test_dropping_forgets_every_size(bench):
    account_id = new_id()
    for limit in (1, 50, 100):
        await bench.fill(account_id, limit=limit)
    await bench.cache.drop(account_id)

    assert [await bench.found(account_id, limit) for limit in (1, 50, 100)] == [None] * 3


async def test_dropping_what_is_not_there_is_no_error(bench):
    await bench.cache.drop(new_id())


async def test_page_read_before_a_write_is_not_kept(bench):
    account_id = new_id()
    missed = await bench.missed(account_id)
    await bench.cache.drop(account_id)
    await bench.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await bench.found(account_id) is None


async def test_page_read_before_a_write_does_not_replace_one_read_after_it(bench):
    account_id = new_id()
    missed = await bench.missed(account_id)
    await bench.cache.drop(account_id)
    await bench.fill(account_id, NEW_PAGE)
    await bench.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await bench.found(account_id) == NEW_PAGE


async def test_page_of_another_size_read_before_a_write_is_not_kept(bench):
    account_id = new_id()
    missed = await bench.missed(account_id, limit=5)
    await bench.cache.drop(account_id)
    await bench.fill(account_id, NEW_PAGE, limit=50)
    await bench.cache.store(account_id, PAGE, limit=5, missed=missed)

    assert await bench.found(account_id, limit=5) is None
    assert await bench.found(account_id, limit=50) == NEW_PAGE


async def test_write_between_two_others_counts_too(bench):
    account_id = new_id()
    first = await bench.missed(account_id)
    await bench.cache.drop(account_id)
    second = await bench.missed(account_id)
    await bench.cache.drop(account_id)
    third = await bench.missed(account_id)
    for missed in (first, second):
        await bench.cache.store(account_id, PAGE, limit=50, missed=missed)
    assert await bench.found(account_id) is None

    await bench.cache.store(account_id, NEW_PAGE, limit=50, missed=third)
    assert await bench.found(account_id) == NEW_PAGE


async def test_readers_at_the_same_time_may_all_store(bench):
    account_id = new_id()
    first, second = await bench.missed(account_id), await bench.missed(account_id)
    for missed in (first, second):
        await bench.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await bench.found(account_id) == PAGE


async def test_page_lives_as_long_as_it_was_told_to(bench):
    account_id = new_id()
    await bench.fill(account_id)
    await bench.let_pass(LIFE / 2)
    assert await bench.found(account_id) == PAGE
    await bench.let_pass(LIFE / 2)
    assert await bench.found(account_id) is None

    await bench.fill(account_id, NEW_PAGE)
    assert await bench.found(account_id) == NEW_PAGE


async def test_reading_does_not_lengthen_a_life(bench):
    account_id = new_id()
    await bench.fill(account_id)
    for _ in range(4):
        await bench.let_pass(LIFE / 4)
        last = await bench.found(account_id)

    assert last is None


@pytest.mark.parametrize("opened", CACHES)
async def test_life_of_0_keeps_nothing(opened):
    async with opened(0.0) as bench:
        account_id = new_id()
        await bench.fill(account_id)
        assert await bench.found(account_id) is None
