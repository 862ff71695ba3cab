"""What the in-memory transport holds and frees: it lives as long as its process."""

import asyncio
from uuid import uuid4

from parley.adapters.memory.queue import MemoryQueue
from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.adapters.memory.room_list_cache import MAX_ACCOUNTS, MemoryRoomListCache
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


async def test_only_the_pages_of_the_latest_accounts_are_held():
    cache = room_list_cache()
    accounts = [uuid4() for _ in range(MAX_ACCOUNTS + 1)]
    for account_id in accounts[:-1]:
        await fill(cache, account_id)
    # The look-up makes it the latest, so that another one is removed.
    assert await cache.look_up(accounts[0], limit=50) == PAGE
    await fill(cache, accounts[-1])

    assert await cache.look_up(accounts[0], limit=50) == PAGE
    assert await cache.look_up(accounts[2], limit=50) == PAGE
    assert isinstance(await cache.look_up(accounts[1], limit=50), CacheMiss)
    assert cache.accounts_held == MAX_ACCOUNTS


async def test_page_of_an_account_removed_in_the_meantime_is_not_stored():
    cache = room_list_cache()
    account_id = uuid4()
    missed = await cache.look_up(account_id, limit=50)
    for _ in range(MAX_ACCOUNTS):
        await cache.look_up(uuid4(), limit=50)
    await cache.store(account_id, PAGE, limit=50, missed=missed)

    assert isinstance(await cache.look_up(account_id, limit=50), CacheMiss)


async def test_stream_holds_nothing_of_ended_replies():
    stream = MemoryReplyStream()
    pending = [uuid4() for _ in range(3)]
    for pending_id in pending:
        reply_id = uuid4()
        async with stream.follow(reply_id):
            await stream.append(reply_id, Chunk(1, 0, "text"))
            await stream.end(reply_id)
        await stream.append(pending_id, Chunk(1, 0, "text"))
        async with stream.follow(uuid4()):
            await stream.end(uuid4())
    assert stream.replies_held == 3

    for reply_id in pending:
        await stream.end(reply_id)
    assert stream.replies_held == 0


async def test_stream_holds_nothing_of_readers_that_left():
    stream = MemoryReplyStream()
    reply_id = uuid4()
    async with stream.follow(reply_id), stream.follow(reply_id):
        pass

    assert stream.replies_held == 0


async def test_signals_hold_nothing_of_listeners_that_left():
    signals = MemoryStopSignals()
    reply_id = uuid4()
    async with signals.listen(reply_id), signals.listen(reply_id):
        await signals.send(uuid4())

    assert signals.replies_listened_to == 0


async def test_queue_holds_an_id_once_and_in_order():
    queue = MemoryQueue()
    first, second = uuid4(), uuid4()
    for reply_id in (first, second, first, second, first):
        await queue.put(reply_id)

    assert [await queue.take(), await queue.take()] == [first, second]
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    await queue.put(first)
    assert await taking == first


async def test_cancelled_take_loses_nothing():
    queue = MemoryQueue()
    reply_id = uuid4()
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    taking.cancel()
    await queue.put(reply_id)
    await asyncio.wait([taking])

    assert await queue.take() == reply_id
