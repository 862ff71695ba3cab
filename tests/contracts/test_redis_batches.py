"""Commands that are sent to Redis in batches."""

import asyncio
from uuid import uuid4

import pytest
from redis.exceptions import RedisError, ResponseError

from parley.adapters.redis.client.connection import RedisClient
from tests.contracts.redis_fixtures import redis_client, shared_redis


@pytest.fixture
async def client():
    async with redis_client() as made:
        yield made


def new_key() -> str:
    return f"parley:test:{uuid4()}"


async def test_every_caller_gets_the_answer_to_its_own_command(client):
    keys = [new_key() for _ in range(500)]
    for key, answer in zip(keys, await asyncio.gather(*(client.execute("SET", key, key) for key in keys)), strict=True):
        assert answer, key
    assert await asyncio.gather(*(client.execute("GET", key) for key in keys)) == [key.encode() for key in keys]


async def test_concurrent_commands_use_one_connection(client):
    await asyncio.gather(*(client.execute("PING") for _ in range(50)))
    own = await client.execute("CLIENT", "ID")
    assert set(await asyncio.gather(*(client.execute("CLIENT", "ID") for _ in range(50)))) == {own}


async def test_a_refused_command_does_not_affect_its_batch(client):
    key = new_key()
    asked = [client.execute("SET", key, "text"), client.execute("LPUSH", key, "no list"), client.execute("GET", key)]
    stored, refused, read = await asyncio.gather(*asked, return_exceptions=True)
    assert (stored, read) == (b"OK", b"text")
    assert isinstance(refused, ResponseError)


async def test_a_cancelled_caller_does_not_affect_the_others(client):
    key = new_key()
    async with asyncio.TaskGroup() as group:
        cancelled = group.create_task(client.execute("INCR", key))
        other = group.create_task(client.execute("INCR", key))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert other.result() == 2
    assert await client.execute("GET", key) == b"2"


async def test_every_caller_gets_an_error_without_redis_and_the_next_command_is_tried_again():
    async with redis_client("redis://127.0.0.1:1") as client:
        answers = await asyncio.gather(*(client.execute("PING") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, RedisError) for answer in answers)
        with pytest.raises(RedisError):
            await client.execute("PING")


async def test_a_command_whose_answer_is_late_does_not_delay_others(client):
    key = new_key()
    late = asyncio.ensure_future(client.execute("BLPOP", key, 0))
    # One iteration of the loop for the call, one for the batch to leave.
    for _ in range(2):
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        assert await client.execute("RPUSH", key, "late") == 1
        assert await late == [key.encode(), b"late"]


async def test_closing_the_client_cancels_waiting_callers():
    client = RedisClient(shared_redis())
    waiting = asyncio.ensure_future(client.execute("BLPOP", new_key(), 0))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
