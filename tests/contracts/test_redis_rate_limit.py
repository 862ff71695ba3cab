"""The rate limiter that several processes share."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from parley.adapters.redis.client.probe import find_fault
from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.core.errors import Unavailable
from tests.contracts.redis_fixtures import PATIENCE, own_redis, redis_client
from tests.servers.tcp_proxy import TcpProxy


async def test_count_is_exact_over_several_processes():
    prefix = f"{uuid4()}:"
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(redis_client()) for _ in range(4)]
        limiters = [RedisRateLimiter(client, prefix=prefix) for client in clients]
        waits = await asyncio.gather(
            *(limiter.take("key", limit=17, per=60) for _ in range(50) for limiter in limiters)
        )

    assert len(waits) == 200
    assert waits.count(0.0) == 17
    assert all(59 < wait <= 60 for wait in waits if wait)


async def test_key_expires_with_its_last_use():
    prefix = f"{uuid4()}:"
    async with redis_client() as client:
        rate_limiter = RedisRateLimiter(client, prefix=prefix)
        await rate_limiter.take("key", limit=5, per=30)
        assert 29_000 < await client.commands.pttl(f"{prefix}key") <= 30_000
        await rate_limiter.take("key", limit=5, per=0)
        assert not await client.commands.exists(f"{prefix}key")


async def test_lost_scripts_are_loaded_again():
    with own_redis() as server:
        async with redis_client(server.url) as client:
            rate_limiter = RedisRateLimiter(client)
            assert await rate_limiter.take("key", limit=1, per=60) == 0.0
            assert server.ask("SCRIPT", "FLUSH") == b"+OK"
            assert await rate_limiter.take("key", limit=1, per=60) > 0.0


async def test_unavailable_until_redis_is_back():
    with own_redis() as server:
        async with redis_client(server.url) as client:
            rate_limiter = RedisRateLimiter(client)
            server.kill()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(Unavailable):
                    await rate_limiter.take("key", limit=1, per=60)
            assert await find_fault(client, within=PATIENCE) is not None
            server.start()
            assert await rate_limiter.take("key", limit=1, per=60) == 0.0
            assert await find_fault(client, within=PATIENCE) is None


async def test_lost_answer_counts_one_use():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, redis_client(proxy.url) as client:
            rate_limiter = RedisRateLimiter(client)
            assert await rate_limiter.take("key", limit=3, per=60) == 0.0
            proxy.cut_at_next_answer = True
            with pytest.raises(Unavailable):
                await rate_limiter.take("key", limit=3, per=60)
            assert await rate_limiter.take("key", limit=3, per=60) == 0.0
            assert await rate_limiter.take("key", limit=3, per=60) > 0.0


async def test_callers_wait_for_a_free_connection():
    async with redis_client() as client:
        rate_limiter = RedisRateLimiter(client, prefix=f"{uuid4()}:")
        waits = await asyncio.gather(*(rate_limiter.take(f"{number}", limit=1, per=60) for number in range(300)))
        assert waits == [0.0] * 300
