"""The rate limiter that several processes share."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import pytest

from parley.adapters.redis.client.probe import find_fault
from parley.adapters.redis.rate_limit import RedisRateLimiter
from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import send_code
from parley.core.accounts.model import Identity, IdentityKind, Purpose
from parley.core.accounts.sources import Client
from parley.core.errors import TooManyRequests, Unavailable
from tests.contracts.redis_fixtures import PATIENCE, own_redis, redis_client
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.servers.tcp_proxy import TcpProxy
from tests.unit.accounts.environment import AccountsEnvironment, outcomes


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


async def test_processes_share_the_budget_of_codes() -> None:
    async with redis_client() as client, redis_client() as other:
        prefix = f"{uuid4()}:"
        processes = [AccountsEnvironment(FakeAccountsUnitOfWork(FakeDatabase())) for _ in range(2)]
        for process, connection in zip(processes, (client, other), strict=True):
            limiter = RedisRateLimiter(connection, prefix=prefix)
            process.rate_limits = replace(process.rate_limits, rate_limiter=limiter)
            process.code_policy = CodePolicy(emails_per_hour=50)

        async def ask(number: int) -> None:
            identity = Identity(IdentityKind.EMAIL, f"person{number}@example.com")
            client = Client(f"192.0.2.{number}", f"network {number}")
            await send_code(processes[number % 2].ports, identity=identity, purpose=Purpose.SIGN_IN, client=client)

        async with asyncio.timeout(20):
            sent, refused = await outcomes(ask(number) for number in range(100))
    # The share of strangers.
    assert len(sent) == 40
    assert {type(refusal) for refusal in refused} == {TooManyRequests}
