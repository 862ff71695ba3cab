"""A bounded pool of connections that serves its callers in the order in which they came."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from parley.adapters.sql.engine.failures import DatabaseFailed, DatabaseUnavailable, NoConnectionYet
from parley.core.errors import Unavailable
from parley.core.tasks import cancel_and_wait

# How often a full server is asked for a connection again.
RETRY_SECONDS = 0.2
BUSY = "is too slow for this many requests: every connection of this process is in use; see DATABASE_CONNECTIONS"


class Connection(Protocol):
    """A driver's connection, used by one task at a time.

    Errors are those of `failures`. With `begin` a statement opens a transaction unless one is open; otherwise,
    outside a transaction, it commits by itself.
    """

    @property
    def is_open(self) -> bool:
        """False when it is closed, or when nobody knows the state of its transaction."""

    async def fetch(self, text: str, arguments: Sequence[Any], *, begin: bool) -> list[Any]: ...

    async def execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> int:
        """Returns how many rows it changed."""

    async def commit(self) -> None:
        """A no-op outside a transaction."""

    async def rollback(self) -> None:
        """A no-op outside a transaction."""

    async def close(self) -> None: ...

    def terminate(self) -> None:
        """Close without waiting."""


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Pool(Generic[AnyConnection]):
    """Opens a connection when one is asked for and none is idle.

    A caller that waits for more than `wait_seconds` gets Unavailable, also while the server has no connection left:
    those that this pool has serve everyone until then. Connections older than `recycle_seconds` are replaced, and one
    that is idle for `idle_seconds` is closed. None means no limit.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AnyConnection]],
        *,
        size: int,
        wait_seconds: float | None = None,
        recycle_seconds: float | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._recycle_seconds = recycle_seconds
        self._idle_seconds = idle_seconds
        # The last one used is used again: its statements are prepared and its caches warm.
        self._idle: list[AnyConnection] = []
        self._idle_since: dict[AnyConnection, float] = {}
        self._opened_at: dict[AnyConnection, float] = {}
        # Callers for whom the server had no connection.
        self._waiting: deque[asyncio.Future[AnyConnection]] = deque()
        self._refusal = NoConnectionYet("")
        self._closing_idle: asyncio.Task[None] | None = None

    @property
    def in_use(self) -> int:
        return len(self._opened_at) - len(self._idle)

    @property
    def open(self) -> int:
        """How many connections are open, in use or idle."""
        return len(self._opened_at)

    async def acquire(self) -> AnyConnection:
        """Raises Unavailable, or what `connect` raises."""
        deadline = None if self._wait_seconds is None else asyncio.get_running_loop().time() + self._wait_seconds
        await self._wait_for_slot(deadline)
        try:
            connection = await self._take_idle()
            if connection is None and not self._waiting:
                connection = await self._open()
            return connection or await self._wait_while_full(deadline)
        except BaseException:
            self._slots.release()
            raise

    async def release(self, connection: AnyConnection) -> None:
        """Roll back what is not committed and take the connection back, or close it when that fails."""
        try:
            if connection.is_open:
                # The end of the connection rolls back too.
                with suppress(Unavailable, DatabaseFailed):
                    await connection.rollback()
            if connection.is_open and connection in self._opened_at:
                self._offer(connection)
            else:
                await self._discard(connection)
        except BaseException:
            self._opened_at.pop(connection, None)
            connection.terminate()
            raise
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Close all connections, also those of tasks that were cancelled and have not given them back yet."""
        if self._closing_idle is not None:
            await cancel_and_wait(self._closing_idle)
        idle, self._idle = self._idle, []
        in_use = self._opened_at.keys() - set(idle)
        self._opened_at.clear()
        self._idle_since.clear()
        for connection in in_use:
            connection.terminate()
        for connection in idle:
            await connection.close()

    async def _wait_for_slot(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError as error:
            raise DatabaseUnavailable(BUSY) from error

    async def _take_idle(self) -> AnyConnection | None:
        while self._idle:
            connection = self._idle.pop()
            self._idle_since.pop(connection, None)
            if connection.is_open and not self._is_old(connection):
                return connection
            await self._discard(connection)
        return None

    async def _open(self) -> AnyConnection | None:
        """None while the server has no connection left."""
        try:
            connection = await self._connect()
        except NoConnectionYet as refusal:
            self._refusal = refusal
            return None
        self._opened_at[connection] = time.monotonic()
        return connection

    async def _wait_while_full(self, deadline: float | None) -> AnyConnection:
        """The next connection that is given back here, or a new one as soon as the server has one.

        The first that waits asks the server, every RETRY_SECONDS. Raises NoConnectionYet at the deadline.
        """
        loop = asyncio.get_running_loop()
        given: asyncio.Future[AnyConnection] = loop.create_future()
        self._waiting.append(given)
        connection: AnyConnection | None = None
        try:
            while connection is None:
                if deadline is not None and loop.time() >= deadline:
                    raise self._refusal
                await asyncio.wait({given}, timeout=RETRY_SECONDS)
                if given.done():
                    connection = given.result()
                elif self._waiting[0] is given:
                    connection = await self._open()
            return connection
        finally:
            if not given.done():
                self._waiting.remove(given)
            elif given.result() is not connection:
                self._offer(given.result())

    def _offer(self, connection: AnyConnection) -> None:
        """Give the connection to the caller that has waited longest, or store it."""
        if self._waiting:
            self._waiting.popleft().set_result(connection)
            return
        self._idle.append(connection)
        self._idle_since[connection] = time.monotonic()
        if self._idle_seconds is not None and (self._closing_idle is None or self._closing_idle.done()):
            self._closing_idle = asyncio.create_task(self._close_idle(self._idle_seconds))

    async def _close_idle(self, idle_seconds: float) -> None:
        """Close what has been idle for so long, the longest first; ends when nothing is idle."""
        while self._idle:
            longest = self._idle[0]
            left = self._idle_since[longest] + idle_seconds - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
            else:
                del self._idle[0], self._idle_since[longest]
                await self._discard(longest)

    def _is_old(self, connection: AnyConnection) -> bool:
        if self._recycle_seconds is None:
            return False
        return time.monotonic() > self._opened_at[connection] + self._recycle_seconds

    async def _discard(self, connection: AnyConnection) -> None:
        self._opened_at.pop(connection, None)
        await connection.close()
