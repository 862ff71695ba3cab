"""Background tasks that go on through outages of Redis."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.exceptions import RedisError

from parley.adapters.redis.client.connection import RedisClient
from parley.core.tasks import cancel_and_wait

log = structlog.get_logger("parley.redis")

# How long a caller waits for a background task when going on without it only costs some text.
BACKGROUND_WAIT_SECONDS = 1.0
FIRST_BACKOFF_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 1.0


@asynccontextmanager
async def running_in_background(*steps: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Run the steps beside the body and cancel them at its end.

    Not a TaskGroup: taskiq enters and leaves the context in different tasks.
    """
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        yield
    finally:
        await cancel_and_wait(*tasks)


async def run_until_one_ends(*steps: Coroutine[Any, Any, None]) -> None:
    """Run the steps side by side until the first ends. Cancels the others, and raises what the first raised."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)
    for task in done:
        task.result()


async def repeat_with_backoff(client: RedisClient, step: Callable[[], Awaitable[None]]) -> None:
    """Run `step` again and again. Errors are recorded and delay the next run, longer after each failure in a row."""
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        started = clock()
        try:
            await step()
        except RedisError as error:
            client.record_failure(error)
        except Exception:
            # Once in a row of failures: a step that always crashes runs every second.
            if failures == 0:
                log.exception("redis_task_crashed")
        else:
            failures = 0
            continue
        # A step that ran for longer than the longest pause was working: its failure is the first of a new row.
        failures = 0 if clock() - started > MAX_BACKOFF_SECONDS else failures + 1
        await asyncio.sleep(backoff_seconds(failures))


def backoff_seconds(failures: int) -> float:
    """The pause after the latest failure, given the number before it. Random, so that processes spread out."""
    # min() comes first because the power overflows a float in a long outage.
    grown = FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 10)
    return min(grown, MAX_BACKOFF_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
