"""Deployments that share one Redis, each with a prefix of its own."""

import asyncio
from contextlib import AsyncExitStack

from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.queue import TaskiqQueue
from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.adapters.redis.room_list_cache import RedisRoomListCache
from parley.core.chat.model import Chunk
from parley.core.chat.ports import CachedPage, CacheMiss
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, Process, own_redis, process
from tests.fakes.streams import text_so_far

NONE, STAGING = "", "staging:"


async def use_everything(made: Process, url: str, reply_id, text: str) -> None:
    """Every part of Redis that parley has, with the same ids in every deployment."""
    broker = AtMostOnceBroker(url, made.client)
    await broker.startup()
    await TaskiqQueue(broker, "write_reply", seconds=PATIENCE).put(reply_id)
    await broker.shutdown()
    await made.stream.append(reply_id, Chunk(1, 0, text))
    assert await text_so_far(made.stream, reply_id) == text
    assert await RedisRateLimiter(made.client).take("key", limit=1, per=60) == 0.0
    cache = RedisRoomListCache(made.client, seconds=60)
    missed = await cache.look_up(reply_id, limit=50)
    assert isinstance(missed, CacheMiss)
    await cache.store(reply_id, CachedPage(text.encode(), "etag"), limit=50, missed=missed)


async def test_deployments_with_different_prefixes_share_nothing():
    reply_id = new_id()
    with own_redis() as server:
        async with AsyncExitStack() as stack:
            deployments = {
                prefix: await stack.enter_async_context(process(server.url, prefix=prefix))
                for prefix in (NONE, STAGING)
            }
            for prefix, made in deployments.items():
                await use_everything(made, server.url, reply_id, f"of «{prefix}»")
            keys = {key.decode() for key in await deployments[NONE].client.commands.keys("*")}
        unprefixed = {key for key in keys if key.startswith("parley:")}
        assert len(unprefixed) == 4
        assert keys - unprefixed == {STAGING + key for key in unprefixed}


async def test_messages_of_one_deployment_do_not_reach_another():
    reply_id = new_id()
    with own_redis() as server:
        async with (
            process(server.url) as other,
            process(server.url, prefix=STAGING) as api,
            process(server.url, prefix=STAGING) as worker,
            other.signals.listen(reply_id) as other_signal,
            worker.signals.listen(reply_id) as signal,
            other.stream.follow(reply_id) as other_reader,
            api.stream.follow(reply_id) as reader,
        ):
            await worker.stream.append(reply_id, Chunk(1, 0, "Hello"))
            await api.signals.send(reply_id)
            async with asyncio.timeout(PATIENCE):
                assert await reader.receive(within=PATIENCE) == Chunk(1, 0, "Hello")
                await signal.wait()
            assert await other_reader.receive(within=0.1) is None
            assert not other_signal.is_set()
