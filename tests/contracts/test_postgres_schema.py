"""The guard at the start of a program whose database somebody else migrates; alike on SQLite."""

import pytest
from sqlalchemy import bindparam

from parley.adapters.sql.engine.database import Database, version_table
from parley.adapters.sql.engine.migrate import current_revision, migrate, require_fts5, require_this_revision
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import REVISION
from parley.adapters.sql.engine.unusable import DatabaseUnusable
from tests.contracts.migrations_fixtures import new_database

SET_REVISION = Statement(version_table.update().values(version_num=bindparam("revision")))


database = new_database


async def put_at(database: Database, revision: str) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(SET_REVISION, revision=revision)
        await transaction.commit()


async def require_current(database):
    require_this_revision(await current_revision(database))


async def test_schema_of_this_version_is_let_in(database):
    await migrate(database)
    await require_current(database)


async def test_database_without_a_schema_names_the_command_that_makes_one(database):
    with pytest.raises(DatabaseUnusable, match="parley migrate"):
        await require_current(database)


async def test_older_schema_names_the_command_that_helps(database):
    await migrate(database)
    await put_at(database, "0000")
    with pytest.raises(DatabaseUnusable, match="parley migrate"):
        await require_current(database)


@pytest.mark.parametrize("step", [require_current, migrate])
async def test_newer_schema_is_left_alone(database, step):
    newer = f"{int(REVISION) + 1:04}"
    await migrate(database)
    await put_at(database, newer)
    with pytest.raises(DatabaseUnusable, match="newer version"):
        await step(database)
    assert await current_revision(database) == newer


def test_sqlite_without_full_text_search_is_refused_with_what_helps():
    require_fts5(["ENABLE_FTS3", "ENABLE_FTS5"])
    with pytest.raises(DatabaseUnusable, match="another build of Python"):
        require_fts5(["ENABLE_FTS3"])
