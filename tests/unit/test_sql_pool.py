"""The pool of database connections: order, bounds, and which connections are used again."""

import asyncio

import pytest

from parley.adapters.sql.engine.failures import DatabaseFailed, NoConnectionYet
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


class FullServer:
    """A server that has connections for `free` more clients."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.asked = 0

    async def connect(self) -> FakeConnection:
        self.asked += 1
        if self.free == 0:
            raise NoConnectionYet("has no connection left")
        self.free -= 1
        return FakeConnection()


async def test_callers_share_the_connections_of_a_full_server_in_their_order():
    server = FullServer(free=1)
    connections = Pool(server.connect, size=5, wait_seconds=10)
    served: list[int] = []

    async def use(number: int) -> None:
        connection = await connections.acquire()
        served.append(number)
        await asyncio.sleep(0.001)
        await connections.release(connection)

    await asyncio.gather(*(use(number) for number in range(20)))
    assert served == list(range(20))
    assert connections.open == 1
    assert connections.in_use == 0


async def test_full_server_is_asked_again_by_one_caller_for_all():
    server = FullServer(free=0)
    connections = Pool(server.connect, size=5, wait_seconds=10)
    waiting = [asyncio.create_task(connections.acquire()) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked = server.asked
    server.free = 5
    assert all([(await each).is_open for each in waiting])
    assert asked <= 5
    assert server.asked <= asked + 5


async def test_server_that_stays_full_refuses_at_the_deadline():
    connections = Pool(FullServer(free=0).connect, size=2, wait_seconds=0.01)
    with pytest.raises(NoConnectionYet, match="Try again"):
        await connections.acquire()
    assert connections.in_use == 0


async def test_connection_given_to_a_caller_that_is_cancelled_goes_to_the_next():
    connections = Pool(FullServer(free=1).connect, size=3, wait_seconds=10)
    first = await connections.acquire()
    cancelled, next_one = (asyncio.create_task(connections.acquire()) for _ in range(2))
    await asyncio.sleep(0.01)
    await connections.release(first)
    cancelled.cancel()
    assert await next_one is first
    await asyncio.wait([cancelled])
    await connections.release(first)
    assert await connections.acquire() is first


async def test_idle_connections_are_closed_the_longest_idle_first():
    connections = pool(size=2, idle_seconds=0.02)
    first, second = await connections.acquire(), await connections.acquire()
    await connections.release(first)
    await asyncio.sleep(0.01)
    await connections.release(second)
    async with asyncio.timeout(30):
        while first.is_open:
            await asyncio.sleep(0.001)
        while connections.open:
            await asyncio.sleep(0.001)
    assert not second.is_open
    assert await connections.acquire() not in (first, second)
    await connections.close()


async def test_connection_in_use_is_not_idle():
    connections = pool(idle_seconds=0.005)
    first = await connections.acquire()
    await connections.release(first)
    assert await connections.acquire() is first
    await asyncio.sleep(0.02)
    assert first.is_open
    await connections.close()


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
