"""The room-list cache through outages of Redis: no account gets a page from before its own write."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from parley.adapters.redis.broker import QUEUE, AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.queue import TaskiqQueue
from parley.adapters.redis.room_list_cache import RedisRoomListCache
from parley.core.chat.messages import post_message
from parley.core.chat.ports import CachedPage, CacheMiss
from tests.contracts.chat_fixtures import new_id, store_over
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, redis_client
from tests.fakes.database import FakeDatabase
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


async def test_cached_page_is_read_without_a_script():
    account_id = new_id()
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            opened(proxy.url) as cache,
            redis_client(server.url) as own,
        ):
            await fill(cache, account_id)
            scripts, requests = await _scripts(own), proxy.requests_passed
            assert await cache.look_up(account_id, limit=50) == OLD
            assert (await _scripts(own), proxy.requests_passed) == (scripts, requests + 1)


async def _scripts(client: RedisClient) -> int:
    """How many scripts the server has run."""
    return sum(each["calls"] for name, each in (await client.commands.info("commandstats")).items() if "eval" in name)


async def test_what_follows_an_accepted_message_is_one_trip(tmp_path):
    async with AsyncExitStack() as stack:
        server = stack.enter_context(own_redis())
        proxy = await stack.enter_async_context(TcpProxy(server.port).running())
        client = await stack.enter_async_context(redis_client(proxy.url))
        store = store_over(FakeDatabase())
        # Its connection is open before the trips are counted.
        await client.execute("PING")
        before = proxy.requests_passed
        room = await store.new_room()
        chat = store.chat_ports(
            room_list_cache=RedisRoomListCache(client, seconds=600),
            queue=TaskiqQueue(AtMostOnceBroker(server.url, client), "write_reply"),
        )
        await post_message(
            chat, account_id=room.account_id, room_id=room.id, content="A question", model=None, key=None
        )
        assert proxy.requests_passed == before + 1
        assert await client.execute("XLEN", QUEUE) == 1
