"""The queue's taskiq broker: a Redis that is emptied, killed or started again ends no worker."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq import BrokerMessage
from taskiq_redis import RedisStreamBroker

from parley.adapters.redis.client.connection import ANSWER_SECONDS, RedisClient, backoff_seconds

log = structlog.get_logger("parley.queue")

QUEUE = "parley:queue"
# All workers are one consumer: nothing is pending here, and a name for each would stay behind it for ever.
WORKERS = "workers"
# Hints that nobody takes for long are worth nothing: the sweeper finds their replies.
MOST_WAITING = 10_000
BLOCK_SECONDS = 1.0
MOST_CONNECTIONS = 16


class HintBroker(RedisStreamBroker):
    """Delivers at most once: a message counts as received when Redis hands it out (NOACK), one at a time.

    What a killed worker had received is lost, and what it had not begun too: whoever puts something here must find it
    again otherwise. In return there is nothing to reclaim, and nothing that runs long is delivered again.
    """

    def __init__(self, url: str, link: RedisClient, *, queue: str = QUEUE) -> None:
        """Connects when first used: for what is put by `link`, for the rest by itself.

        Raises ValueError for an address that is none of Redis.
        """
        super().__init__(
            url,
            queue_name=queue,
            consumer_group_name=WORKERS,
            consumer_name=WORKERS,
            consumer_id="0",
            maxlen=MOST_WAITING,
            max_connection_pool_size=MOST_CONNECTIONS,
            xread_block=round(BLOCK_SECONDS * 1_000),
            xread_count=1,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=BLOCK_SECONDS + ANSWER_SECONDS,
            timeout=ANSWER_SECONDS,
            protocol=2,
        )
        self._link = link
        self._redis: Redis = Redis(connection_pool=self.connection_pool)

    async def kick(self, message: BrokerMessage) -> None:
        await self._link.execute("XADD", self.queue_name, "MAXLEN", "~", MOST_WAITING, "*", "data", message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:  # type: ignore[override] # messages without an ack
        """Messages as they come, through any outage. Never ends by itself and raises nothing of Redis."""
        failures = 0
        while True:
            try:
                messages = await self._receive()
            except RedisError as error:
                if failures == 0:
                    log.warning("queue_interrupted", error=type(error).__name__)
                await asyncio.sleep(backoff_seconds(failures))
                failures += 1
                if isinstance(error, ResponseError):
                    # A Redis that was emptied has no group, and says so in several ways.
                    await self._declare_consumer_group()
                continue
            if failures:
                log.info("queue_back", failures=failures)
                failures = 0
            for message in messages:
                yield message

    async def _receive(self) -> Sequence[bytes]:
        streams = await self._redis.xreadgroup(
            WORKERS, WORKERS, {self.queue_name: ">"}, count=1, block=self.block, noack=True
        )
        entries = [entry for _, found in cast("list[tuple[bytes, list[Any]]]", streams or []) for entry in found]
        return [fields[b"data"] for _, fields in entries if fields]

    async def _declare_consumer_group(self) -> None:
        """Also called at startup: a Redis that does not answer then is one that `listen` waits for."""
        try:
            await super()._declare_consumer_group()
        except RedisError as error:
            log.warning("queue_group_not_made", error=type(error).__name__)
