"""A bounded pool of connections that serves its callers in the order in which they came."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.core.errors import Unavailable


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

    A caller that waits for more than `wait_seconds` gets Unavailable. Connections older than `recycle_seconds` are
    replaced. None means no limit.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[AnyConnection]],
        *,
        size: int,
        wait_seconds: float | None = None,
        recycle_seconds: float | None = None,
    ) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._recycle_seconds = recycle_seconds
        # The last one used is used again: its statements are prepared and its caches warm.
        self._idle: list[AnyConnection] = []
        self._opened_at: dict[AnyConnection, float] = {}

    @property
    def in_use(self) -> int:
        return len(self._opened_at) - len(self._idle)

    async def acquire(self) -> AnyConnection:
        """Raises Unavailable, or what `connect` raises."""
        await self._wait_for_slot()
        try:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_open and not self._is_old(connection):
                    return connection
                await self._discard(connection)
            connection = await self._connect()
        except BaseException:
            self._slots.release()
            raise
        self._opened_at[connection] = time.monotonic()
        return connection

    async def release(self, connection: AnyConnection) -> None:
        """Roll back what is not committed and take the connection back, or close it when that fails."""
        try:
            if connection.is_open:
                # The end of the connection rolls back too.
                with suppress(Unavailable, DatabaseFailed):
                    await connection.rollback()
            if connection.is_open and connection in self._opened_at:
                self._idle.append(connection)
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
        idle, self._idle = self._idle, []
        in_use = self._opened_at.keys() - set(idle)
        self._opened_at.clear()
        for connection in in_use:
            connection.terminate()
        for connection in idle:
            await connection.close()

    async def _wait_for_slot(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Unavailable from error

    def _is_old(self, connection: AnyConnection) -> bool:
        if self._recycle_seconds is None:
            return False
        return time.monotonic() > self._opened_at[connection] + self._recycle_seconds

    async def _discard(self, connection: AnyConnection) -> None:
        self._opened_at.pop(connection, None)
        await connection.close()
