"""A pooler that lends connections for one transaction, in front of PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import insert, make_url, text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import current_revision, migrate
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import REVISION, signups
from parley.adapters.sql.engine.trial import try_statements
from parley.adapters.sql.engine.unusable import DatabaseUnusable, driver_errors_explained
from tests.contracts.chat_fixtures import NOW
from tests.contracts.postgres_fixtures import empty_database, migrated_database
from tests.servers.transaction_pooler import TransactionPooler

WITHOUT_CACHE = "?statement_cache_size=0"
ADD = Statement(insert(signups).values(given("token_hash", "identity", "expires_at")))
COUNT = Statement(text("SELECT count(*) FROM signups"))


@asynccontextmanager
async def pooled(url: str, **options: int) -> AsyncGenerator[TransactionPooler, None]:
    parts = make_url(url)
    assert parts.port
    assert parts.username
    assert parts.database
    pooler = TransactionPooler(parts.port, user=parts.username, database=parts.database, **options)
    async with pooler.running():
        yield pooler


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database, None]:
    database = Database(url)
    try:
        async with asyncio.timeout(20):
            yield database
    finally:
        await database.close()


async def add(database: Database, number: int) -> None:
    async with database.transaction() as transaction:
        values = {"token_hash": number.to_bytes(4, "big"), "identity": "email:a@example.com", "expires_at": NOW}
        await transaction.execute(ADD, **values)
        await transaction.commit()


async def test_without_prepared_statements_transactions_run_side_by_side():
    async with migrated_database() as url, pooled(url) as pooler, opened(pooler.url + WITHOUT_CACHE) as database:
        await asyncio.gather(*(add(database, number) for number in range(40)))
        async with database.transaction(read_only=True) as transaction:
            assert await transaction.scalar(COUNT) == 40


async def test_schema_is_made_and_brought_up_to_date_by_several_processes_at_once():
    with empty_database() as url:
        async with pooled(url) as pooler:
            for _ in range(2):
                async with opened(pooler.url + WITHOUT_CACHE) as one, opened(pooler.url + WITHOUT_CACHE) as other:
                    await asyncio.gather(migrate(one), migrate(other))
                    assert await current_revision(one) == REVISION


async def test_trial_finds_that_prepared_statements_are_lost():
    async with migrated_database() as url, pooled(url) as pooler, opened(pooler.url) as database:
        with pytest.raises(DatabaseUnusable, match="statement_cache_size=0"), driver_errors_explained():
            await try_statements(database)


async def test_trial_passes_with_and_without_a_pooler():
    async with migrated_database() as url, pooled(url) as pooler:
        for address in (url, url + WITHOUT_CACHE, pooler.url + WITHOUT_CACHE):
            async with opened(address) as database:
                await try_statements(database)


async def test_parameter_that_a_pooler_refuses_is_told():
    async with (
        migrated_database() as url,
        pooled(url) as pooler,
        opened(f"{pooler.url}{WITHOUT_CACHE}&search_path=public") as database,
    ):
        with pytest.raises(DatabaseUnusable, match="ignore_startup_parameters"), driver_errors_explained():
            await try_statements(database)


async def test_full_pooler_is_waited_for():
    async with (
        migrated_database() as url,
        pooled(url, most=2) as pooler,
        opened(pooler.url + WITHOUT_CACHE) as database,
    ):
        await asyncio.gather(*(add(database, number) for number in range(20)))
        assert database.open_connections <= 2
