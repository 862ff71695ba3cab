"""The pool of database connections: order, bounds, and which connections are used again."""

import asyncio

import pytest

from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.pool import Pool
from parley.core.errors import Unavailable


class FakeConnection:
    def __init__(self) -> None:
        self.is_open = True
        self.rollbacks = 0
        self.rollback_error: Exception | None = None

    async def rollback(self) -> None:
        self.rollbacks += 1
        if self.rollback_error is not None:
            self.is_open = False
            raise self.rollback_error

    async def close(self) -> None:
        self.is_open = False

    def terminate(self) -> None:
        self.is_open = False


def pool(**options: float) -> Pool[FakeConnection]:
    async def connect() -> FakeConnection:
        return FakeConnection()

    return Pool(connect, **{"size": 1, **options})


async def test_connection_is_used_again_and_rolled_back_in_between():
    connections = pool()
    first = await connections.acquire()
    await connections.release(first)
    assert await connections.acquire() is first
    assert first.rollbacks == 1


async def test_callers_are_served_in_the_order_in_which_they_came():
    connections = pool()
    served: list[int] = []

    async def use(number: int) -> None:
        connection = await connections.acquire()
        served.append(number)
        await asyncio.sleep(0)
        await connections.release(connection)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(use(number))
            # The first gives its connection back while others wait, and the rest come when it is free.
            await asyncio.sleep(0)
    assert served == [0, 1, 2, 3, 4]


async def test_caller_that_waits_too_long_is_refused():
    connections = pool(wait_seconds=0.01)
    first = await connections.acquire()
    with pytest.raises(Unavailable):
        await connections.acquire()
    await connections.release(first)
    assert await connections.acquire() is first


async def test_caller_that_is_cancelled_while_it_waits_takes_no_connection():
    connections = pool()
    first = await connections.acquire()
    waiting = asyncio.create_task(connections.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await connections.release(first)
    assert await connections.acquire() is first


async def test_failed_connect_takes_no_slot():
    errors: list[Exception] = [Unavailable()]

    async def connect() -> FakeConnection:
        if errors:
            raise errors.pop()
        return FakeConnection()

    connections = Pool(connect, size=1)
    with pytest.raises(Unavailable):
        await connections.acquire()
    assert (await connections.acquire()).is_open


async def test_idle_connection_that_the_server_closed_is_replaced():
    connections = pool()
    first = await connections.acquire()
    await connections.release(first)
    first.is_open = False
    second = await connections.acquire()
    assert second is not first
    assert second.is_open


async def test_old_connection_is_closed_and_replaced():
    connections = pool(recycle_seconds=-1)
    first = await connections.acquire()
    await connections.release(first)
    assert await connections.acquire() is not first
    assert not first.is_open


@pytest.mark.parametrize("error", [Unavailable(), DatabaseFailed()])
async def test_connection_that_cannot_roll_back_is_closed(error):
    connections = pool()
    first = await connections.acquire()
    first.rollback_error = error
    await connections.release(first)
    assert not first.is_open
    assert await connections.acquire() is not first


async def test_connections_of_tasks_that_still_have_them_are_closed_with_the_pool():
    connections = pool(size=2)
    used, idle = await connections.acquire(), await connections.acquire()
    await connections.release(idle)
    assert connections.in_use == 1
    await connections.close()
    assert not used.is_open
    assert not idle.is_open
    await connections.release(used)
    assert (await connections.acquire()).is_open
