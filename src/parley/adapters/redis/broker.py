"""The queue's taskiq broker, whose workers survive a Redis that is emptied, killed or restarted."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from redis.exceptions import RedisError, ResponseError
from taskiq import BrokerMessage
from taskiq_redis import RedisStreamBroker

from parley.adapters.redis.client.background import backoff_seconds
from parley.adapters.redis.client.connection import ANSWER_SECONDS, RedisClient
from parley.adapters.redis.client.outage import RedisOutage

QUEUE = "parley:queue"
# All workers are one consumer: nothing is ever pending here, and a consumer name for each would stay in Redis for ever.
WORKERS = "workers"
# Old hints are worthless: by then the sweeper has found their replies.
MAX_WAITING = 10_000
BLOCK_SECONDS = 1.0
MAX_CONNECTIONS = 16


class AtMostOnceBroker(RedisStreamBroker):
    """Delivers messages at most once and one at a time: NOACK counts a message as received when Redis hands it out.

    A message that a killed worker had received is lost; the sender must be able to find the work again. In return
    nothing needs to be reclaimed, and no long task is delivered twice.
    """

    def __init__(
        self,
        url: str,
        client: RedisClient,
        *,
        queue: str = QUEUE,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Connects on first use: `client` sends and receives messages, connections of the broker's own make the group.

        `listen` awaits `ready` before it takes each message. Raises ValueError for a `url` that is not one of Redis.
        """
        super().__init__(
            url,
            queue_name=client.name(queue),
            consumer_group_name=WORKERS,
            consumer_name=WORKERS,
            consumer_id="0",
            maxlen=MAX_WAITING,
            max_connection_pool_size=MAX_CONNECTIONS,
            xread_block=round(BLOCK_SECONDS * 1_000),
            xread_count=1,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=BLOCK_SECONDS + ANSWER_SECONDS,
            timeout=ANSWER_SECONDS,
            protocol=2,
        )
        self._client = client
        self._ready = ready

    @property
    def outage(self) -> RedisOutage:
        """That of the client that sends messages."""
        return self._client.outage

    async def kick(self, message: BrokerMessage) -> None:
        await self._client.execute("XADD", self.queue_name, "MAXLEN", "~", MAX_WAITING, "*", "data", message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:  # type: ignore[override] # messages without an ack
        """Messages as they arrive, through any outage. Never ends by itself and raises no RedisError."""
        failures = refusals = 0
        while True:
            if self._ready is not None:
                await self._ready()
            try:
                messages = await self._receive()
            except RedisError as error:
                refusals = refusals + 1 if isinstance(error, ResponseError) else 0
                await self._after(error, failures, refusals)
                failures += 1
                continue
            failures = refusals = 0
            for message in messages:
                yield message
            _raise_swallowed_cancellation()

    async def _after(self, error: RedisError, failures: int, refusals: int) -> None:
        """Wait, and make the consumer group if it may be missing: a Redis that was emptied says so in several ways.

        So the first refusal in a row is no failure, unlike the next.
        """
        if refusals != 1:
            self._client.record_failure(error)
        await asyncio.sleep(backoff_seconds(failures))
        if refusals:
            await self._declare_consumer_group()

    async def _receive(self) -> Sequence[bytes]:
        """Up to one message, after BLOCK_SECONDS at the latest. Raises RedisError."""
        answer = await self._client.execute_alone(
            "XREADGROUP", "GROUP", WORKERS, WORKERS, "COUNT", 1, "BLOCK", round(BLOCK_SECONDS * 1_000), "NOACK",
            "STREAMS", self.queue_name, ">",
            blocking_seconds=BLOCK_SECONDS,
        )  # fmt: skip
        if isinstance(answer, ResponseError):
            raise answer
        # A message that was deleted has no fields.
        entries = [fields for _, found in answer or [] for _, fields in found if fields]
        return [dict(zip(fields[::2], fields[1::2], strict=True))[b"data"] for fields in entries]

    async def _declare_consumer_group(self) -> None:
        """Also called at startup, where `listen` waits for a Redis that does not answer yet."""
        try:
            await super()._declare_consumer_group()
        except RedisError as error:
            self._client.record_failure(error)


def _raise_swallowed_cancellation() -> None:
    """Before Python 3.12 asyncio.wait_for swallows a cancellation that arrives as its awaitable completes.

    redis-py sends by it. The worker would wait for its listener for ever, and not end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
