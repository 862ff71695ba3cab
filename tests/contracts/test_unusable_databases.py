"""Databases that parley must not change: another application's, a newer version's. Alike on SQLite and PostgreSQL."""

from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import (
    LIST_TABLES,
    current_revision,
    has_current,
    migrate,
    revision_of,
)
from parley.adapters.sql.engine.statements import PerDatabase, Statement
from parley.adapters.sql.engine.tables import REVISION, metadata
from parley.adapters.sql.engine.unusable import DatabaseUnusable, driver_errors_explained
from tests.contracts.databases import opened
from tests.contracts.migrations_fixtures import new_database
from tests.contracts.postgres_fixtures import empty_database

VERSIONS = "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"
TABLES = PerDatabase(postgresql=text(LIST_TABLES["postgresql"]), sqlite=text(LIST_TABLES["sqlite"]))
OWN_TABLES = set(metadata.tables) | {"alembic_version"}


database = new_database


async def execute(database: Database, *statements: str) -> None:
    async with database.transaction() as transaction:
        for statement in statements:
            # No row is counted: the driver's answer to CREATE has no number.
            await transaction.all(Statement(text(statement)))
        await transaction.commit()


async def tables(database: Database) -> set[str]:
    async with database.transaction(read_only=True) as transaction:
        return set(await transaction.scalars(TABLES))


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(["CREATE TABLE users (id INTEGER)"], id="tables"),
        pytest.param([VERSIONS, "INSERT INTO alembic_version VALUES ('8f3c1a2b')"], id="a foreign revision"),
        pytest.param(
            [VERSIONS, f"INSERT INTO alembic_version VALUES ('{REVISION}')", "CREATE TABLE rooms (id INTEGER)"],
            id="parley's revision without its tables",
        ),
        pytest.param([VERSIONS, "CREATE TABLE users (id INTEGER)"], id="tables and an unused alembic_version"),
    ],
)
async def test_a_database_of_another_application_is_refused_and_not_changed(database, statements):
    await execute(database, *statements)
    before = await tables(database)

    for step in (current_revision, migrate):
        with pytest.raises(DatabaseUnusable, match="another application"):
            await step(database)
    assert not await has_current(database)
    assert await tables(database) == before


async def test_an_alembic_version_without_rows_and_tables_is_an_empty_database(database):
    await execute(database, VERSIONS)
    await migrate(database)
    assert await current_revision(database) == REVISION


@pytest.mark.parametrize("versions", [[], ["0001", "0002"], ["ae1027a6acf"], ["00001"]])
def test_tables_of_parley_under_another_revision_are_refused(versions):
    with pytest.raises(DatabaseUnusable):
        revision_of(OWN_TABLES, versions)


async def test_tables_in_another_schema_of_the_search_path_do_not_count():
    with empty_database() as url:
        async with opened(url) as other:
            await execute(other, "CREATE TABLE accounts (id INTEGER)", VERSIONS, "CREATE SCHEMA parley")
        async with opened(f"{url}{'&' if '?' in url else '?'}search_path=parley,public") as own:
            await migrate(own)
            assert await current_revision(own) == REVISION
            assert await tables(own) == OWN_TABLES


async def test_a_database_that_does_not_exist_is_named_as_missing():
    with empty_database() as url:
        async with opened(urlsplit(url)._replace(path="/missing").geturl()) as missing:
            with pytest.raises(DatabaseUnusable, match="create the database"), driver_errors_explained():
                await current_revision(missing)


def test_an_error_that_is_not_the_databases_stays_as_it_is():
    with pytest.raises(KeyError), driver_errors_explained():
        raise KeyError
