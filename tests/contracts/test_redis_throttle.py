"""The throttle that several processes share."""

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.core.errors import Unavailable
from tests.contracts.redis_fixtures import PATIENCE, own_redis, redis_link
from tests.servers.tcp_proxy import TcpProxy


async def test_count_is_exact_over_several_processes():
    prefix = f"{uuid4()}:"
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(redis_link()) for _ in range(4)]
        throttles = [RedisRateLimiter(link, prefix=prefix) for link in links]
        waits = await asyncio.gather(
            *(rate_limiter.take("key", limit=17, per=60) for _ in range(50) for rate_limiter in throttles)
        )

    assert len(waits) == 200
    assert waits.count(0.0) == 17
    assert all(59 < wait <= 60 for wait in waits if wait)


async def test_key_is_gone_when_its_uses_stop_to_count():
    prefix = f"{uuid4()}:"
    async with redis_link() as link:
        rate_limiter = RedisRateLimiter(link, prefix=prefix)
        await rate_limiter.take("key", limit=5, per=30)
        assert 29_000 < await link.commands.pttl(f"{prefix}key") <= 30_000
        await rate_limiter.take("key", limit=5, per=0)
        assert not await link.commands.exists(f"{prefix}key")


async def test_redis_that_lost_its_scripts_is_given_them_again():
    with own_redis() as server:
        async with redis_link(server.url) as link:
            rate_limiter = RedisRateLimiter(link)
            assert await rate_limiter.take("key", limit=1, per=60) == 0.0
            assert server.ask("SCRIPT", "FLUSH") == b"+OK"
            assert await rate_limiter.take("key", limit=1, per=60) > 0.0


async def test_redis_that_is_down_makes_it_unavailable_until_it_is_back():
    with own_redis() as server:
        async with redis_link(server.url) as link:
            rate_limiter = RedisRateLimiter(link)
            server.kill()
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(Unavailable):
                    await rate_limiter.take("key", limit=1, per=60)
            assert not await link.answers()
            server.start()
            assert await rate_limiter.take("key", limit=1, per=60) == 0.0
            assert await link.answers()


async def test_lost_answer_counts_once():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, redis_link(proxy.url) as link:
            rate_limiter = RedisRateLimiter(link)
            assert await rate_limiter.take("key", limit=3, per=60) == 0.0
            proxy.cut_at_next_answer = True
            with pytest.raises(Unavailable):
                await rate_limiter.take("key", limit=3, per=60)
            assert await rate_limiter.take("key", limit=3, per=60) == 0.0
            assert await rate_limiter.take("key", limit=3, per=60) > 0.0


async def test_more_callers_than_connections_wait_their_turn():
    async with redis_link() as link:
        rate_limiter = RedisRateLimiter(link, prefix=f"{uuid4()}:")
        waits = await asyncio.gather(*(rate_limiter.take(f"{number}", limit=1, per=60) for number in range(300)))
        assert waits == [0.0] * 300
