"""The guard at the start of a program whose database somebody else migrates; alike on SQLite."""

import pytest
from sqlalchemy import bindparam

from parley.adapters.sql.engine.database import Database, version_table
from parley.adapters.sql.engine.migrate import current_revision, has_current, migrate, require_fts5, require_revision
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import REVISION, schema_compatibility
from parley.adapters.sql.engine.unusable import DatabaseUnusable
from tests.contracts.migrations_fixtures import new_database

SET_OLDEST = Statement(schema_compatibility.update().values(oldest_revision=f"{int(REVISION) + 1:04}"))
FORGET_OLDEST = Statement(schema_compatibility.delete())
SET_REVISION = Statement(version_table.update().values(version_num=bindparam("revision")))


database = new_database


async def put_at(database: Database, revision: str) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(SET_REVISION, revision=revision)
        await transaction.commit()


async def require_current(database):
    require_revision(await current_revision(database))


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


NEWER = f"{int(REVISION) + 1:04}"


async def test_newer_schema_that_says_so_serves_this_version_and_stays_as_it_is(database):
    await migrate(database)
    await put_at(database, NEWER)
    for step in (require_current, migrate):
        await step(database)
    assert await has_current(database)
    assert await current_revision(database) == NEWER


@pytest.mark.parametrize("statement", [SET_OLDEST, FORGET_OLDEST])
async def test_newer_schema_that_does_not_say_so_is_refused(database, statement):
    await migrate(database)
    await put_at(database, NEWER)
    async with database.transaction() as transaction:
        await transaction.execute(statement)
        await transaction.commit()
    for step in (require_current, migrate):
        with pytest.raises(DatabaseUnusable, match="newer version"):
            await step(database)
    assert not await has_current(database)


def test_sqlite_without_full_text_search_is_refused_with_what_helps():
    require_fts5(["ENABLE_FTS3", "ENABLE_FTS5"])
    with pytest.raises(DatabaseUnusable, match="another build of Python"):
        require_fts5(["ENABLE_FTS3"])
