"""PostgreSQL by asyncpg.

Nothing relies on the state of a session, so PgBouncer may pool transactions in between: from 1.21 on as it is, below
with `statement_cache_size=0` in the URL.
"""

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from parley.adapters.sql.engine.failures import DatabaseFailed, DatabaseUrlInvalid, postgresql_failure
from parley.adapters.sql.engine.pool import Pool
from parley.adapters.sql.engine.postgresql_url import Address
from parley.core.errors import Unavailable

# A server takes 100 connections by default: so this is right for six processes. More connections would
# not be quicker: ten keep every core of a common server busy.
CONNECTIONS = 15
# A caller that would wait longer for a connection is better refused, so that it retries.
WAIT_SECONDS = 10.0
# Balancers and firewalls forget silent connections, often after an hour, and tell neither side.
RECYCLE_SECONDS = 1_800
# For the cancellation of the statement that runs, and for the server to close in good order.
CLOSE_SECONDS = 2.0

_Result = TypeVar("_Result")


class Row(asyncpg.Record):  # type: ignore[misc]  # asyncpg has no types
    """The values of a row, by order and by name."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def pool(address: Address, *, statement_seconds: float | None) -> "Pool[PostgresqlConnection]":
    async def connect() -> PostgresqlConnection:
        try:
            return PostgresqlConnection(await open_driver(address, statement_seconds=statement_seconds))
        except asyncpg.PostgresError as error:
            raise postgresql_failure(error) from error
        except (OSError, asyncpg.InterfaceError) as error:
            # Refused, no such host, or silent for too long.
            raise Unavailable from error

    return Pool(connect, size=CONNECTIONS, wait_seconds=WAIT_SECONDS, recycle_seconds=RECYCLE_SECONDS)


async def open_driver(address: Address, *, statement_seconds: float | None) -> Any:
    """An asyncpg.Connection. Raises DatabaseUrlInvalid for what only opening one finds out, and asyncpg's errors."""
    try:
        return await asyncpg.connect(
            address.dsn,
            timeout=address.connect_seconds,
            command_timeout=statement_seconds,
            statement_cache_size=address.cached_statements,
            record_class=Row,
        )
    except asyncpg.ClientConfigurationError as error:
        raise DatabaseUrlInvalid(f"It cannot be used: {error}.") from error


class PostgresqlConnection:
    """A Connection. One whose statement was cancelled or not answered in time is closed, not used again."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._begun = False
        self._state_known = True

    @property
    def is_open(self) -> bool:
        # The socket tells of a restart of the server; statement_seconds bounds what it cannot tell, a silent network.
        return self._state_known and not self.driver.is_closed()

    async def fetch(self, text: str, arguments: Sequence[Any], *, begin: bool) -> list[Any]:
        if begin:
            await self._begin()
        rows: list[Any] = await self._answer(self.driver.fetch(text, *arguments))
        return rows

    async def execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> int:
        if begin:
            await self._begin()
        # Such as «UPDATE 1» or «INSERT 0 1».
        status: str = await self._answer(self.driver.execute(text, *arguments))
        return int(status.rpartition(" ")[2])

    async def commit(self) -> None:
        if self._begun:
            status = await self._answer(self.driver.execute("COMMIT"))
            self._begun = False
            if status != "COMMIT":
                raise DatabaseFailed("a statement had failed, so the server rolled back")

    async def rollback(self) -> None:
        if self._begun:
            await self._answer(self.driver.execute("ROLLBACK"))
            self._begun = False

    async def close(self) -> None:
        # asyncpg aborts the connection by itself when it cannot close it in good order.
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self.driver.close(timeout=CLOSE_SECONDS)

    def terminate(self) -> None:
        self.driver.terminate()

    async def _begin(self) -> None:
        if not self._begun:
            await self._answer(self.driver.execute("BEGIN"))
            self._begun = True

    async def _answer(self, asked: Awaitable[_Result]) -> _Result:
        try:
            return await asked
        except asyncpg.PostgresError as error:
            raise postgresql_failure(error) from error
        except OSError as error:
            self._state_known = False
            raise Unavailable from error
        except asyncpg.InterfaceError as error:
            self._state_known = False
            if self.driver.is_closed():
                raise Unavailable from error
            # Not chained: asyncpg quotes the value that it cannot send.
            raise DatabaseFailed(type(error).__name__) from None
        except BaseException:
            self._state_known = False
            raise
