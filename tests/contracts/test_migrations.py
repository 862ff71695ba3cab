"""The migrations, every step of them, in every database that parley can use."""

import asyncio
import sys
from itertools import pairwise
from typing import Any

from advanced_alchemy.types import GUID
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from parley.adapters.sql.engine.migrate import current_revision, migrate, migrations_folder
from parley.adapters.sql.engine.tables import (
    REVISION,
    metadata,
)
from tests.contracts.databases import opened
from tests.contracts.migrations_fixtures import applied, every_new_url, moved, revisions

new_url = every_new_url

VERSION = "alembic_version"
PROCESSES = 4
DATABASES = 6
# Migrates each database that it reads the address of, and says so.
MIGRATOR = """
import asyncio, sys
import alembic.command
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate

async def bring_up_to_date(url):
    database = Database(url)
    await migrate(database)
    await database.close()

print("ready", flush=True)
for line in sys.stdin:
    asyncio.run(bring_up_to_date(line.strip()))
    print("migrated", flush=True)
"""


def described(connection: Connection) -> dict[str, Any]:
    """What an inspector knows of every table, alike for tables that were made in another way."""
    found = inspect(connection)
    columns, primary_keys = found.get_multi_columns(), found.get_multi_pk_constraint()
    # Of all tables at once: a question for each table takes PostgreSQL twenty times as long.
    constraints = {
        "foreign_keys": found.get_multi_foreign_keys(),
        "unique": found.get_multi_unique_constraints(),
        "indexes": found.get_multi_indexes(),
        "checks": found.get_multi_check_constraints(),
    }
    return {
        key[1]: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"]) for column in columns[key]
            },
            "primary_key": primary_keys[key],
            **{kind: by_name(of_tables[key]) for kind, of_tables in constraints.items()},
        }
        for key in columns
        if key[1] != VERSION
    }


def by_name(constraints: list[Any]) -> list[dict[str, str]]:
    written = ({key: in_words(value) for key, value in constraint.items()} for constraint in constraints)
    return sorted(written, key=lambda constraint: constraint["name"])


def in_words(value: Any) -> str:
    # An index's condition is an object with no equality of its own.
    return str({key: str(part) for key, part in value.items()} if isinstance(value, dict) else value)


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": other_type,
            "compare_server_default": True,
            "target_metadata": metadata,
            "include_object": is_described if connection.dialect.name == "sqlite" else None,
        },
    )
    return compare_metadata(context, metadata)


def is_described(_found: Any, name: str, _type: str, _reflected: bool, _other: Any) -> bool:
    """False for SQLite's FTS5 table, with what it consists of, and the index that it replaces."""
    return not name.startswith(("search_words", "ix_search_texts_terms"))


def other_type(_context: Any, _found: Any, _column: Any, found_type: Any, type_: Any) -> bool | None:
    """False for an id of 16 bytes, which an inspector takes for a number; None leaves the rest to alembic."""
    return False if isinstance(type_, GUID) and str(found_type) == "NUMERIC(16)" else None


async def test_every_step_goes_up_and_down_and_up_again(new_url):
    async with opened(new_url()) as database:
        for below, revision in pairwise(revisions()):
            before = await applied(database, described)
            await moved(database, command.upgrade, revision)
            after = await applied(database, described)
            assert after != before
            await moved(database, command.downgrade, below)
            assert await applied(database, described) == before
            await moved(database, command.upgrade, revision)
            assert await applied(database, described) == after
            assert await current_revision(database) == revision


async def test_all_the_way_down_leaves_nothing(new_url):
    async with opened(new_url()) as database:
        await migrate(database)
        await moved(database, command.downgrade, "base")
        assert await applied(database, described) == {}
        assert await current_revision(database) is None

        await migrate(database)
        assert await current_revision(database) == REVISION


async def test_what_the_migrations_make_is_what_a_new_database_gets(new_url):
    async with opened(new_url()) as migrated, opened(new_url()) as new:
        await moved(migrated, command.upgrade, "head")
        await migrate(new)

        assert await applied(migrated, differences) == []
        assert await applied(migrated, described) == await applied(new, described)
        assert await applied(migrated, version) == await applied(new, version)


def version(connection: Connection) -> tuple[Any, ...]:
    found = inspect(connection)
    columns = [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(VERSION)]
    rows = connection.execute(text(f"SELECT version_num, oldest_revision FROM {VERSION}, schema_compatibility")).all()
    return columns, found.get_pk_constraint(VERSION)["constrained_columns"], rows


async def test_the_migrations_make_the_triggers_of_a_new_database(new_url):
    async with opened(new_url()) as migrated, opened(new_url()) as new:
        await moved(migrated, command.upgrade, "head")
        await migrate(new)

        found = await applied(new, described_triggers)
        assert len(found) > 4
        assert await applied(migrated, described_triggers) == found


def described_triggers(connection: Connection) -> list[str]:
    """What inspectors do not see: triggers, their functions, and virtual tables."""
    statements = {
        "sqlite": ["SELECT sql FROM sqlite_master WHERE type = 'trigger' OR sql LIKE 'CREATE VIRTUAL%' ORDER BY name"],
        "postgresql": [
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname",
            "SELECT reloptions::text FROM pg_class WHERE reloptions IS NOT NULL ORDER BY relname",
        ],
    }
    found = [connection.execute(text(each)).scalars() for each in statements[connection.dialect.name]]
    return ["".join(row.split()) for rows in found for row in rows]


async def test_revision_is_that_of_the_newest_script(new_url):
    assert ScriptDirectory(str(migrations_folder())).get_heads() == [REVISION]
    async with opened(new_url()) as database:
        assert await current_revision(database) is None
        await migrate(database)
        assert await current_revision(database) == REVISION


async def test_migrating_again_changes_nothing(new_url):
    async with opened(new_url()) as database:
        await migrate(database)
        before = await applied(database, described)
        await migrate(database)
        assert await applied(database, described) == before


async def start_migrator() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATOR, stdin=pipe, stdout=pipe, stderr=pipe)


async def test_processes_may_migrate_the_same_new_database_at_once(new_url):
    urls = [new_url() for _ in range(DATABASES)]
    migrators = [await start_migrator() for _ in range(PROCESSES)]
    try:
        async with asyncio.timeout(60):
            assert [await migrator.stdout.readline() for migrator in migrators] == [b"ready\n"] * PROCESSES
            for url in urls:
                for migrator in migrators:
                    migrator.stdin.write(f"{url}\n".encode())
                said = [await migrator.stdout.readline() for migrator in migrators]
                assert said == [b"migrated\n"] * PROCESSES
            outputs = [await migrator.communicate(b"") for migrator in migrators]
    finally:
        for migrator in migrators:
            if migrator.returncode is None:
                migrator.kill()
                await migrator.communicate()

    assert [migrator.returncode for migrator in migrators] == [0] * PROCESSES
    assert outputs == [(b"", b"")] * PROCESSES
    schemas = []
    for url in urls:
        async with opened(url) as database:
            assert await current_revision(database) == REVISION
            schemas.append((await applied(database, described), await applied(database, described_triggers)))
    assert schemas == schemas[:1] * DATABASES
    async with opened(urls[0]) as database:
        assert await applied(database, differences) == []
