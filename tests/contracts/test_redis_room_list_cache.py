"""The room-list cache when Redis is lost for a while: no account gets a page from before its own write."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from parley.adapters.redis.room_list_cache import RedisRoomListCache
from parley.core.chat.ports import CachedPage, CacheMiss
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, redis_link
from tests.servers.tcp_proxy import TcpProxy

OLD = CachedPage(b'{"items": []}', '"old"')
NEW = CachedPage(b'{"items": [1]}', '"new"')


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[RedisRoomListCache, None]:
    async with redis_link(url) as link:
        cache = RedisRoomListCache(link, seconds=600)
        async with cache.running():
            yield cache


async def fill(cache: RedisRoomListCache, account_id, page: CachedPage = OLD) -> None:
    missed = await cache.look_up(account_id, limit=50)
    assert isinstance(missed, CacheMiss)
    await cache.store(account_id, page, limit=50, missed=missed)


async def test_other_process_sees_what_was_stored_and_dropped():
    account_id = new_id()
    with own_redis() as server:
        async with opened(server.url) as one, opened(server.url) as other:
            await fill(one, account_id)
            assert await other.look_up(account_id, limit=50) == OLD
            await other.drop(account_id)
            assert isinstance(await one.look_up(account_id, limit=50), CacheMiss)


async def test_redis_that_is_down_is_a_miss_whose_page_is_not_kept():
    account_id = new_id()
    with own_redis() as server:
        async with opened(server.url) as cache, asyncio.timeout(PATIENCE):
            server.kill()
            missed = await cache.look_up(account_id, limit=50)
            assert isinstance(missed, CacheMiss)
            await cache.store(account_id, OLD, limit=50, missed=missed)
            server.start()
            await cache.store(account_id, OLD, limit=50, missed=missed)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_drop_that_did_not_arrive_is_owed_and_paid():
    account_id, other = new_id(), new_id()
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            opened(proxy.url) as cache,
            opened(server.url) as elsewhere,
        ):
            await fill(cache, account_id)
            await fill(cache, other)
            proxy.refusing = True
            proxy.cut()
            await cache.drop(account_id)
            assert await elsewhere.look_up(account_id, limit=50) == OLD
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)
            proxy.refusing = False

            async def paid() -> bool:
                return isinstance(await elsewhere.look_up(account_id, limit=50), CacheMiss)

            await becomes_true(paid)
            assert await cache.look_up(other, limit=50) == OLD
            await becomes_true(lambda: not cache.owing)
            await fill(cache, account_id, NEW)
            assert await cache.look_up(account_id, limit=50) == NEW


async def test_page_that_was_read_before_an_owed_drop_is_not_stored():
    account_id = new_id()
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, opened(proxy.url) as cache:
            missed = await cache.look_up(account_id, limit=50)
            proxy.refusing = True
            proxy.cut()
            await cache.drop(account_id)
            proxy.refusing = False
            await cache.store(account_id, OLD, limit=50, missed=missed)
            await becomes_true(lambda: not cache.owing)
            await cache.store(account_id, OLD, limit=50, missed=missed)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_drop_of_a_writer_who_went_away_is_done_all_the_same():
    account_id = new_id()
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, opened(proxy.url) as cache:
            await fill(cache, account_id)
            proxy.swallowing = True
            dropping = asyncio.create_task(cache.drop(account_id))
            await becomes_true(lambda: proxy.answers_lost >= 1)
            dropping.cancel()
            await asyncio.wait({dropping})
            proxy.swallowing = False
            await becomes_true(lambda: not cache.owing)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_write_while_a_drop_is_owed_is_owed_anew():
    account_id = new_id()
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, opened(proxy.url) as cache:
            proxy.refusing = True
            proxy.cut()
            for _ in range(3):
                await cache.drop(account_id)
            proxy.refusing = False
            await becomes_true(lambda: not cache.owing)
            await fill(cache, account_id)
            assert await cache.look_up(account_id, limit=50) == OLD


async def test_emptied_redis_takes_no_page_from_before():
    account_id = new_id()
    with own_redis() as server:
        async with opened(server.url) as cache:
            missed = await cache.look_up(account_id, limit=50)
            server.flush()
            await cache.drop(account_id)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)
            await cache.store(account_id, OLD, limit=50, missed=missed)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)
