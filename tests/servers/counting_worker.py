"""A broker for `taskiq worker tests.servers.counting_worker:broker`, whose task records the process it ran in."""

import os

from redis.asyncio import Redis

from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.client.connection import RedisClient

broker = AtMostOnceBroker(os.environ["REDIS_URL"], RedisClient(os.environ["REDIS_URL"]))


@broker.task("write_reply")
async def write_reply(reply_id: str) -> None:
    async with Redis.from_url(os.environ["REDIS_URL"]) as client:
        await client.hset("ran", reply_id, str(os.getpid()))
