"""Trying what parley does with a database: that it answers says little of whether it can be used."""

import asyncio
from contextlib import AsyncExitStack, suppress
from uuid import UUID

from sqlalchemy import delete, insert, text

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import REVISION_OF_DATABASE, Database
from parley.adapters.sql.engine.failures import StatementsRefused
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import leases, metadata

# A pooler with one connection to the server would wait for that.
SIDE_BY_SIDE_SECONDS = 2.0
TIMES = 3
_NAME = "parley check"
_TAKE = Statement(insert(leases).values(name=_NAME, holder=UUID(int=0), until=database_time()))
_GIVE_BACK = Statement(delete(leases).where(leases.c.name == _NAME))
_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
_WITHOUT_RIGHTS = Statement(
    text(f"""
        SELECT relname FROM pg_class
        WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind IN ('r', 'p')
        AND NOT (SELECT bool_and(has_table_privilege(pg_class.oid, needed))
                 FROM unnest(string_to_array('{_RIGHTS}', ', ')) AS needed)
    """)  # noqa: S608  constants
)


async def try_statements(database: Database) -> None:
    """Read, write and roll back, with statements that are prepared in one transaction and used in the next.

    Changes nothing. Raises Unavailable with the cause, or DatabaseFailed.
    """
    await _read_in_several_transactions(database)
    async with database.transaction() as transaction:
        # In a transaction that is not committed.
        await transaction.execute(_TAKE)
        await transaction.execute(_GIVE_BACK)
    if database.one_statement_suffices:
        await _require_rights(database)


async def _read_in_several_transactions(database: Database) -> None:
    """A pooler that lends its connections in turn shows at a repetition, others once their latest one is in use."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(database.transaction(read_only=True))
        second = await stack.enter_async_context(database.transaction())
        for _ in range(TIMES):
            await first.scalar(REVISION_OF_DATABASE)
        with suppress(TimeoutError):
            async with asyncio.timeout(SIDE_BY_SIDE_SECONDS):
                await second.scalar(REVISION_OF_DATABASE)
                await first.scalar(REVISION_OF_DATABASE)


async def _require_rights(database: Database) -> None:
    async with database.transaction(read_only=True) as transaction:
        missing = set(await transaction.scalars(_WITHOUT_RIGHTS)) & metadata.tables.keys()
    if missing:
        raise StatementsRefused(
            f"does not let this user use the table {min(missing)}: grant it {_RIGHTS} on all tables"
        )
