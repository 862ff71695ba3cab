"""The in-memory adapters do not grow: they live as long as their process."""

import asyncio

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MOST_ACCOUNTS, MemoryRoomListCache
from parley.adapters.memory.stop_signals import MemoryStopSignals
from parley.core.chat.model import Chunk
from parley.core.chat.ports import CachedPage, CacheMiss

PAGE = CachedPage(b"", "")


def room_list_cache() -> MemoryRoomListCache:
    return MemoryRoomListCache(seconds=600, clock=lambda: 0.0)


async def fill(cache: MemoryRoomListCache, account_id) -> None:
    missed = await cache.look_up(account_id, limit=50)
    assert isinstance(missed, CacheMiss)
    await cache.store(account_id, PAGE, limit=50, missed=missed)


async def test_lists_of_the_latest_accounts_are_cached(env):
    cache = room_list_cache()
    accounts = [env.new_id() for _ in range(MOST_ACCOUNTS + 1)]
    for account_id in accounts[:-1]:
        await fill(cache, account_id)
    # The look-up makes it the latest, so another one is evicted.
    assert await cache.look_up(accounts[0], limit=50) == PAGE
    await fill(cache, accounts[-1])

    assert await cache.look_up(accounts[0], limit=50) == PAGE
    assert await cache.look_up(accounts[2], limit=50) == PAGE
    assert isinstance(await cache.look_up(accounts[1], limit=50), CacheMiss)
    assert len(cache._shelves) == MOST_ACCOUNTS


async def test_page_of_an_evicted_account_is_not_stored(env):
    cache = room_list_cache()
    account_id = env.new_id()
    missed = await cache.look_up(account_id, limit=50)
    for _ in range(MOST_ACCOUNTS):
        await cache.look_up(env.new_id(), limit=50)
    await cache.store(account_id, PAGE, limit=50, missed=missed)

    assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_stream_forgets_ended_replies(env):
    stream = MemoryReplyStream()
    for _ in range(3):
        reply_id = env.new_id()
        async with stream.follow(reply_id):
            await stream.append(reply_id, Chunk(1, 0, "text"))
            await stream.end(reply_id)
        await stream.append(env.new_id(), Chunk(1, 0, "text"))
        async with stream.follow(env.new_id()):
            await stream.end(env.new_id())
    assert len(stream._logs) == 3

    for reply_id in list(stream._logs):
        await stream.end(reply_id)
    assert stream._logs == {}


async def test_stream_forgets_readers(env):
    stream = MemoryReplyStream()
    reply_id = env.new_id()
    async with stream.follow(reply_id), stream.follow(reply_id):
        pass

    assert stream._logs == {}


async def test_stop_signals_forget_listeners(env):
    signals = MemoryStopSignals()
    reply_id = env.new_id()
    async with signals.listen(reply_id), signals.listen(reply_id):
        await signals.send(env.new_id())

    assert signals._listeners == {}


async def test_queue_holds_each_id_once_and_in_order(env):
    queue = MemoryQueue()
    first, second = env.new_id(), env.new_id()
    for reply_id in (first, second, first, second, first):
        await queue.put(reply_id)

    assert [await queue.take(), await queue.take()] == [first, second]
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await queue.put(first)
    assert await taking == first


async def test_cancelled_take_loses_nothing(env):
    queue = MemoryQueue()
    reply_id = env.new_id()
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    taking.cancel()
    await queue.put(reply_id)
    await asyncio.wait([taking])

    assert await queue.take() == reply_id
