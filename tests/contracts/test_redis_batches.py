"""Commands that travel to Redis together."""

import asyncio
from uuid import uuid4

import pytest
from redis.exceptions import RedisError, ResponseError

from parley.adapters.redis.client.connection import RedisClient
from tests.contracts.redis_fixtures import redis_link, shared_redis


@pytest.fixture
async def link():
    async with redis_link() as made:
        yield made


def new_key() -> str:
    return f"parley:test:{uuid4()}"


async def test_everybody_gets_the_answer_to_his_own_command(link):
    keys = [new_key() for _ in range(500)]
    for key, answer in zip(keys, await asyncio.gather(*(link.execute("SET", key, key) for key in keys)), strict=True):
        assert answer, key
    assert await asyncio.gather(*(link.execute("GET", key) for key in keys)) == [key.encode() for key in keys]


async def test_commands_of_one_moment_need_one_connection(link):
    await asyncio.gather(*(link.execute("PING") for _ in range(50)))
    mine = await link.execute("CLIENT", "ID")
    assert set(await asyncio.gather(*(link.execute("CLIENT", "ID") for _ in range(50)))) == {mine}


async def test_a_refused_command_is_refused_alone(link):
    key = new_key()
    asked = [link.execute("SET", key, "text"), link.execute("LPUSH", key, "no list"), link.execute("GET", key)]
    stored, refused, read = await asyncio.gather(*asked, return_exceptions=True)
    assert (stored, read) == (True, b"text")
    assert isinstance(refused, ResponseError)


async def test_who_leaves_takes_nobody_with_him(link):
    key = new_key()
    async with asyncio.TaskGroup() as group:
        leaver = group.create_task(link.execute("INCR", key))
        stayer = group.create_task(link.execute("INCR", key))
        await asyncio.sleep(0)
        leaver.cancel()
    assert stayer.result() == 2
    assert await link.execute("GET", key) == b"2"


async def test_all_are_told_when_redis_is_not_there_and_the_next_is_sent_anew():
    async with redis_link("redis://127.0.0.1:1") as link:
        answers = await asyncio.gather(*(link.execute("PING") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, RedisError) for answer in answers)
        with pytest.raises(RedisError):
            await link.execute("PING")


async def test_a_command_whose_answer_is_late_holds_up_no_other(link):
    key = new_key()
    waiter = asyncio.ensure_future(link.execute("BLPOP", key, 0))
    # One turn of the loop to ask, one for the batch to leave.
    for _ in range(2):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await link.execute("RPUSH", key, "late") == 1
        assert await waiter == (key.encode(), b"late")


async def test_who_waits_when_the_link_is_closed_is_cancelled():
    link = RedisClient(shared_redis())
    waiting = asyncio.ensure_future(link.execute("BLPOP", new_key(), 0))
    await asyncio.sleep(0)
    await link.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
