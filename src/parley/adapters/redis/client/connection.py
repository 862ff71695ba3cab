"""How this process reaches Redis, and what happens when it cannot."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from parley.adapters.redis.client.batches import Batches
from parley.core.errors import Unavailable

log = structlog.get_logger("parley.redis")

MOST_CONNECTIONS = 16
# An answer takes well under a millisecond. The rest is for a machine that is busy, with this very process perhaps.
ANSWER_SECONDS = 2.0
# How long anything waits for the background, when going on without it only costs some text.
PATIENCE_SECONDS = 1.0
FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 1.0

UNREACHABLE = (RedisConnectionError, RedisTimeoutError)


class RedisClient:
    """One pool of connections for the commands of one process. Connects when first used.

    No command is ever sent twice by itself: a lost answer does not mean that the command was lost.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`url` is redis://, rediss:// or unix://. Raises ValueError for another.

        A command may wait for `answer_seconds` three times: for its turn, for a connection, and for the answer.
        """
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=answer_seconds,
            socket_connect_timeout=answer_seconds,
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self.commands: Redis = Redis(connection_pool=self._pool)
        self._batches = Batches(self.commands)
        self._reachable = True

    @contextmanager
    def required(self) -> Iterator[None]:
        """For what cannot go on without Redis: raises Unavailable in place of its errors."""
        try:
            yield
        except RedisError as error:
            self.failed(error)
            raise Unavailable from error
        self.answered()

    @contextmanager
    def best_effort(self) -> Iterator[None]:
        """For what can go on without Redis: its errors are logged and end the block early, nothing more."""
        try:
            yield
        except RedisError as error:
            self.failed(error)
        else:
            self.answered()

    def failed(self, error: RedisError) -> None:
        """Log it; an outage only once, however many commands it costs."""
        if not isinstance(error, UNREACHABLE):
            # The first word is Redis' code; the rest may quote what was sent.
            log.error("redis_refused", code=str(error).split(" ", 1)[0])
        elif self._reachable:
            self._reachable = False
            log.warning("redis_unreachable", error=str(error))

    def answered(self) -> None:
        if not self._reachable:
            self._reachable = True
            log.info("redis_reachable_again")

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection, None]:
        """One that the caller alone uses, and that is closed after him. Raises RedisError."""
        pool: Any = self._pool
        connection: Connection = await pool.get_connection()
        try:
            yield connection
        finally:
            await connection.disconnect(nowait=True)
            await pool.release(connection)

    async def execute(self, *command: str | bytes | int) -> Any:
        """Send the command together with those that others send now. Raises RedisError."""
        return await self._batches.execute(*command)

    async def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            await self.commands.ping()
        except RedisError:
            return False
        return True

    async def close(self) -> None:
        await self._batches.close()
        await self._pool.disconnect()


@asynccontextmanager
async def running_in_background(*steps: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Run the steps beside the body and cancel them at its end, which may come in another task, as taskiq does it."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        yield
    finally:
        await _cancel(tasks)


async def run_until_one_ends(*steps: Coroutine[Any, Any, None]) -> None:
    """Run the steps side by side; the first that ends ends all, and what it raised is raised."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)
    for task in done:
        task.result()


async def repeat_with_backoff(link: RedisClient, step: Callable[[], Awaitable[None]]) -> None:
    """Run `step` for ever. What it raises is logged, and the next run waits, longer after each failure in a row."""
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        started = clock()
        try:
            await step()
        except RedisError as error:
            link.failed(error)
        except Exception:
            log.exception("redis_task_crashed")
        else:
            failures = 0
            continue
        # A step that went well for so long did not fail in a row with the one before.
        failures = 0 if clock() - started > LONGEST_BACKOFF_SECONDS else failures + 1
        await asyncio.sleep(backoff_seconds(failures))


def backoff_seconds(failures: int) -> float:
    """How long to wait after so many failures before the latest; spread, so that processes do not come all at once."""
    # min() first: the power would outgrow a float in a long outage.
    grown = FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 10)
    return min(grown, LONGEST_BACKOFF_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Return when all have ended. What they raised stays with them."""
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        # Again, should it be lost: asyncio.wait_for, which redis-py sends with, swallows it before Python 3.12 when
        # the sending ends in the same moment.
        await asyncio.wait(running, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)
