"""The room-list cache through outages of Redis: no account gets a page from before its own write."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from parley.adapters.redis.room_list_cache import RedisRoomListCache
from parley.core.chat.ports import CachedPage, CacheMiss
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, redis_client
from tests.servers.tcp_proxy import TcpProxy

OLD = CachedPage(b'{"items": []}', '"old"')
NEW = CachedPage(b'{"items": [1]}', '"new"')


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[RedisRoomListCache, None]:
    async with redis_client(url) as client:
        cache = RedisRoomListCache(client, seconds=600)
        async with cache.running():
            yield cache


async def fill(cache: RedisRoomListCache, account_id, page: CachedPage = OLD) -> None:
    missed = await cache.look_up(account_id, limit=50)
    assert isinstance(missed, CacheMiss)
    await cache.store(account_id, page, limit=50, missed=missed)


async def test_processes_share_stored_and_dropped_pages():
    account_id = new_id()
    with own_redis() as server:
        async with opened(server.url) as one, opened(server.url) as other:
            await fill(one, account_id)
            assert await other.look_up(account_id, limit=50) == OLD
            await other.drop(account_id)
            assert isinstance(await one.look_up(account_id, limit=50), CacheMiss)


async def test_without_redis_every_look_up_is_a_miss_whose_page_is_not_stored():
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


async def test_drop_that_did_not_arrive_is_repeated():
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

            async def dropped() -> bool:
                return isinstance(await elsewhere.look_up(account_id, limit=50), CacheMiss)

            await becomes_true(dropped)
            assert await cache.look_up(other, limit=50) == OLD
            await becomes_true(lambda: not cache.has_pending_drops)
            await fill(cache, account_id, NEW)
            assert await cache.look_up(account_id, limit=50) == NEW


async def test_page_read_before_a_pending_drop_is_not_stored():
    account_id = new_id()
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, opened(proxy.url) as cache:
            missed = await cache.look_up(account_id, limit=50)
            proxy.refusing = True
            proxy.cut()
            await cache.drop(account_id)
            proxy.refusing = False
            await cache.store(account_id, OLD, limit=50, missed=missed)
            await becomes_true(lambda: not cache.has_pending_drops)
            await cache.store(account_id, OLD, limit=50, missed=missed)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_drop_of_a_cancelled_writer_is_done():
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
            await becomes_true(lambda: not cache.has_pending_drops)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_pages_are_stored_again_after_several_pending_drops():
    account_id = new_id()
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, opened(proxy.url) as cache:
            proxy.refusing = True
            proxy.cut()
            for _ in range(3):
                await cache.drop(account_id)
            proxy.refusing = False
            await becomes_true(lambda: not cache.has_pending_drops)
            await fill(cache, account_id)
            assert await cache.look_up(account_id, limit=50) == OLD


async def test_emptied_redis_refuses_a_page_from_before():
    account_id = new_id()
    with own_redis() as server:
        async with opened(server.url) as cache:
            missed = await cache.look_up(account_id, limit=50)
            server.flush()
            await cache.drop(account_id)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)
            await cache.store(account_id, OLD, limit=50, missed=missed)
            assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)
