"""The contract of the caches of room lists. Lifetimes are short, as those of Redis pass in real time."""

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

LIFETIME = 0.5
PAGE = CachedPage(b'{"items": []}', '"an etag"')
NEW_PAGE = CachedPage(b'{"items": [1]}', '"another etag"')


@dataclass(frozen=True)
class TimedCache:
    """A cache, and a function that lets its time pass."""

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
async def memory(seconds: float) -> AsyncGenerator[TimedCache, None]:
    now = 1024.0

    async def let_pass(seconds: float) -> None:
        nonlocal now
        now += seconds

    yield TimedCache(MemoryRoomListCache(seconds=seconds, clock=lambda: now), let_pass)


@asynccontextmanager
async def redis(seconds: float) -> AsyncGenerator[TimedCache, None]:
    async with redis_client() as client:
        yield TimedCache(RedisRoomListCache(client, seconds=seconds), asyncio.sleep)


CACHES = [pytest.param(memory, id="memory"), pytest.param(redis, id="redis")]


@pytest.fixture(params=CACHES)
async def timed(request):
    async with request.param(LIFETIME) as made:
        yield made


async def test_stored_page_is_found(timed):
    account_id = new_id()
    await timed.fill(account_id)

    assert await timed.found(account_id) == PAGE
    assert await timed.found(account_id) == PAGE


async def test_accounts_do_not_mix(timed):
    mine, other = new_id(), new_id()
    await timed.fill(mine)
    assert await timed.found(other) is None
    await timed.fill(other, NEW_PAGE)
    await timed.cache.drop(other)

    assert await timed.found(mine) == PAGE
    assert await timed.found(other) is None


async def test_sizes_do_not_mix(timed):
    account_id = new_id()
    await timed.fill(account_id, PAGE, limit=50)
    assert await timed.found(account_id, limit=5) is None
    await timed.fill(account_id, NEW_PAGE, limit=5)

    assert await timed.found(account_id, limit=50) == PAGE
    assert await timed.found(account_id, limit=5) == NEW_PAGE


async def test_drop_deletes_every_size(timed):
    account_id = new_id()
    for limit in (1, 50, 100):
        await timed.fill(account_id, limit=limit)
    await timed.cache.drop(account_id)

    assert [await timed.found(account_id, limit) for limit in (1, 50, 100)] == [None] * 3


async def test_drop_without_pages_is_no_error(timed):
    await timed.cache.drop(new_id())


async def test_page_read_before_a_write_is_not_stored(timed):
    account_id = new_id()
    missed = await timed.missed(account_id)
    await timed.cache.drop(account_id)
    await timed.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await timed.found(account_id) is None


async def test_page_read_before_a_write_does_not_replace_one_read_after_it(timed):
    account_id = new_id()
    missed = await timed.missed(account_id)
    await timed.cache.drop(account_id)
    await timed.fill(account_id, NEW_PAGE)
    await timed.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await timed.found(account_id) == NEW_PAGE


async def test_page_of_another_size_read_before_a_write_is_not_stored(timed):
    account_id = new_id()
    missed = await timed.missed(account_id, limit=5)
    await timed.cache.drop(account_id)
    await timed.fill(account_id, NEW_PAGE, limit=50)
    await timed.cache.store(account_id, PAGE, limit=5, missed=missed)

    assert await timed.found(account_id, limit=5) is None
    assert await timed.found(account_id, limit=50) == NEW_PAGE


async def test_every_write_invalidates_earlier_misses(timed):
    account_id = new_id()
    first = await timed.missed(account_id)
    await timed.cache.drop(account_id)
    second = await timed.missed(account_id)
    await timed.cache.drop(account_id)
    third = await timed.missed(account_id)
    for missed in (first, second):
        await timed.cache.store(account_id, PAGE, limit=50, missed=missed)
    assert await timed.found(account_id) is None

    await timed.cache.store(account_id, NEW_PAGE, limit=50, missed=third)
    assert await timed.found(account_id) == NEW_PAGE


async def test_concurrent_readers_can_all_store(timed):
    account_id = new_id()
    first, second = await timed.missed(account_id), await timed.missed(account_id)
    for missed in (first, second):
        await timed.cache.store(account_id, PAGE, limit=50, missed=missed)

    assert await timed.found(account_id) == PAGE


async def test_page_expires_after_its_lifetime(timed):
    account_id = new_id()
    await timed.fill(account_id)
    await timed.let_pass(LIFETIME / 2)
    assert await timed.found(account_id) == PAGE
    await timed.let_pass(LIFETIME / 2)
    assert await timed.found(account_id) is None

    await timed.fill(account_id, NEW_PAGE)
    assert await timed.found(account_id) == NEW_PAGE


async def test_reading_does_not_extend_the_lifetime(timed):
    account_id = new_id()
    await timed.fill(account_id)
    for _ in range(4):
        await timed.let_pass(LIFETIME / 4)
        last = await timed.found(account_id)

    assert last is None


@pytest.mark.parametrize("opened", CACHES)
async def test_lifetime_of_0_stores_nothing(opened):
    async with opened(0.0) as timed:
        account_id = new_id()
        await timed.fill(account_id)
        assert await timed.found(account_id) is None
