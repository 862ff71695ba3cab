"""The Redis connections of one process, and what happens when Redis cannot be reached."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from parley.adapters.redis.client.batches import CommandBatches
from parley.adapters.redis.client.faults import fault_of
from parley.adapters.redis.client.outage import RedisOutage
from parley.adapters.redis.client.trips import Trips
from parley.core.errors import Unavailable

MAX_CONNECTIONS = 16
# Redis answers in well under a millisecond; the rest is for a machine, or an event loop, that is busy.
ANSWER_SECONDS = 2.0


class RedisClient:
    """A connection pool for the commands of one process. Connects on first use.

    Never repeats a command by itself: a lost answer does not mean that the command was lost.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "",
        outage: RedisOutage | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`url` is redis://, rediss:// or unix://; raises ValueError for any other.

        `prefix` begins the name of every key and channel, so that several deployments can share a Redis. A command may
        wait up to `answer_seconds` twice: in its batch, and for the answer.
        """
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=answer_seconds,
            socket_connect_timeout=answer_seconds,
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self.commands: Redis = Redis(connection_pool=self._pool)
        self.outage = outage or RedisOutage()
        self._prefix = prefix
        self._trips = Trips(url, answer_seconds=answer_seconds)
        self._batches = CommandBatches(self._trips.make)

    def name(self, name: str) -> str:
        """The name of a key or channel as this deployment has it."""
        return self._prefix + name

    @contextmanager
    def required(self) -> Iterator[None]:
        """For a block that cannot do without Redis: turns RedisError into Unavailable."""
        try:
            yield
        except RedisError as error:
            self.record_failure(error)
            raise Unavailable from error

    @contextmanager
    def best_effort(self) -> Iterator[None]:
        """For a block that can do without Redis: a RedisError is recorded and ends the block early."""
        try:
            yield
        except RedisError as error:
            self.record_failure(error)

    def record_failure(self, error: RedisError) -> None:
        """Count the error as a part of an outage, which it may begin."""
        self.outage.failed(fault_of(error))

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection, None]:
        """A connection for the caller's exclusive use, closed at the end. Raises RedisError."""
        pool: Any = self._pool
        connection: Connection = await pool.get_connection()
        try:
            yield connection
        finally:
            await connection.disconnect(nowait=True)
            await pool.release(connection)

    async def execute(self, *command: str | bytes | int) -> Any:
        """Send one command, in a batch with commands of other callers, and return its answer. Raises RedisError."""
        return await self._batches.execute(*command)

    async def execute_alone(self, *command: str | bytes | int, blocking_seconds: float = 0.0) -> Any:
        """The same in a separate trip, for which Redis may wait so long. The answer may be a ResponseError."""
        (answer,) = await self._trips.make([command], blocking_seconds=blocking_seconds)
        return answer

    async def close(self) -> None:
        await self._batches.close()
        await self._trips.close()
        await self._pool.disconnect()
