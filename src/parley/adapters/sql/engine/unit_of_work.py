"""What the stores and units of work of every module share."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from parley.adapters.sql.engine.database import Database, Transaction


class SqlStore:
    """A repository: its statements run in the transaction of its unit."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction


class SqlUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def commit(self) -> None:
        await self._transaction.commit()


Unit = TypeVar("Unit", bound=SqlUnit)


class SqlUnitOfWork(Generic[Unit]):
    """Transactions over one database, each with the unit that `open_unit` makes of it."""

    def __init__(self, database: Database, open_unit: Callable[[Transaction], Unit]) -> None:
        self._database = database
        self._open_unit = open_unit

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[Unit, None]:
        """A `single` unit is committed at its end."""
        async with self._database.transaction(read_only=read_only, single=single) as transaction:
            yield self._open_unit(transaction)
