"""PostgreSQL by asyncpg.

Nothing relies on the state of a session, so PgBouncer may pool transactions in between: from 1.21 on as it is, below
with `statement_cache_size=0` in the URL. What a server sets by default and statements here depend on is asked for with
each transaction, since a SET would not last.
"""

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from parley.adapters.sql.engine.failures import (
    DatabaseFailed,
    DatabaseUnavailable,
    DatabaseUrlInvalid,
    NoConnectionYet,
    connecting_failure,
    postgresql_failure,
)
from parley.adapters.sql.engine.outages import DatabaseOutages
from parley.adapters.sql.engine.pool import Pool
from parley.adapters.sql.engine.postgresql_url import Address

# A caller that would wait longer for a connection is better refused, so that it retries.
WAIT_SECONDS = 10.0
# Statements here were written for this level: at a stricter one the server would refuse many that run side by side.
ISOLATION = "read committed"
_BEGIN = f"BEGIN ISOLATION LEVEL {ISOLATION.upper()}"
# Balancers and firewalls forget silent connections, often after an hour, and notify neither side.
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


def pool(
    address: Address,
    *,
    connections: int,
    idle_seconds: float | None,
    statement_seconds: float | None,
    outages: DatabaseOutages,
) -> "Pool[PostgresqlConnection]":
    async def connect() -> PostgresqlConnection:
        try:
            connection = PostgresqlConnection(await open_driver(address, statement_seconds=statement_seconds))
        except NoConnectionYet as refusal:
            # Its caller may get one in the end.
            outages.noticed(refusal)
            raise
        try:
            await connection.read_defaults()
        except BaseException:
            connection.terminate()
            raise
        return connection

    return Pool(
        connect,
        size=connections,
        wait_seconds=WAIT_SECONDS,
        recycle_seconds=RECYCLE_SECONDS,
        idle_seconds=idle_seconds,
    )


async def open_driver(address: Address, *, statement_seconds: float | None) -> Any:
    """An asyncpg.Connection.

    Raises DatabaseUrlInvalid for what only opening one finds out, and otherwise what `failures` makes of an error.
    """
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
    except asyncpg.PostgresError as error:
        raise postgresql_failure(error) from error
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise DatabaseUnavailable("is of another kind than target_session_attrs in DATABASE_URL asks for") from error
    except (OSError, asyncpg.InterfaceError) as error:
        # Refused, no such host, or silent for too long.
        raise connecting_failure(error) from error


class PostgresqlConnection:
    """A Connection. One whose statement was cancelled or not answered in time is closed, not used again."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._begun = False
        self._begins_always = False
        self._state_known = True

    async def read_defaults(self) -> None:
        """Whether the server's transactions are of another level by default: then each statement needs a BEGIN."""
        level = await self._answer(self.driver.fetchval("SHOW default_transaction_isolation"))
        self._begins_always = level != ISOLATION

    @property
    def is_open(self) -> bool:
        # The socket reports a restart of the server; statement_seconds bounds what it cannot report, a silent network.
        return self._state_known and not self.driver.is_closed()

    async def fetch(self, text: str, arguments: Sequence[Any], *, begin: bool) -> list[Any]:
        if begin or self._begins_always:
            await self._begin()
        rows: list[Any] = await self._answer(self.driver.fetch(text, *arguments))
        return rows

    async def execute(self, text: str, arguments: Sequence[Any], *, begin: bool) -> int:
        if begin or self._begins_always:
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
            await self._answer(self.driver.execute(_BEGIN))
            self._begun = True

    async def _answer(self, asked: Awaitable[_Result]) -> _Result:
        try:
            return await asked
        except asyncpg.PostgresError as error:
            raise postgresql_failure(error) from error
        except OSError as error:
            self._state_known = False
            raise connecting_failure(error) from error
        except asyncpg.InterfaceError as error:
            self._state_known = False
            if self.driver.is_closed():
                raise connecting_failure(ConnectionResetError()) from error
            # Not chained: asyncpg quotes the value that it cannot send.
            raise DatabaseFailed(type(error).__name__) from None
        except BaseException:
            self._state_known = False
            raise
