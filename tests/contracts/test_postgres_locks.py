"""Locks of PostgreSQL that stores take: what must wait for what."""

import asyncio

from sqlalchemy import text

from parley.adapters.sql.accounts.unit_of_work import SqlAccountsUnitOfWork
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from tests.contracts.accounts_fixtures import MIRA, NOW
from tests.contracts.databases import opened
from tests.contracts.postgres_fixtures import migrated_database
from tests.contracts.redis_fixtures import becomes_true

WAITING = Statement(
    text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
)


async def waits(observer: Database) -> bool:
    async with observer.transaction(read_only=True) as transaction:
        return bool(await transaction.scalar(WAITING))


async def test_a_success_waits_for_the_first_failure_that_is_being_counted() -> None:
    """Else each could lock a row that the other needs next: a login and a reset of the password, for example."""
    async with migrated_database() as url, opened(url) as database, opened(url) as observer:
        uow = SqlAccountsUnitOfWork(database)

        async def succeed() -> None:
            async with uow() as unit:
                await unit.failures.clear(MIRA, "b", in_total=False)
                await unit.commit()

        async with uow() as unit:
            # No row is there yet: this inserts the one that all changes of the identity lock.
            await unit.failures.lock(MIRA, "a", now=NOW)
            succeeding = asyncio.create_task(succeed())
            await becomes_true(lambda: waits(observer))
            await unit.commit()
        await succeeding
