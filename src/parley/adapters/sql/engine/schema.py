"""Bringing a database to the schema of this version."""

import asyncio
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError

from parley.adapters.sql.engine.database import REVISION_OF_DATABASE, Database, version_table
from parley.adapters.sql.engine.failures import DatabaseFailed, TableMissing
from parley.adapters.sql.engine.sqlalchemy_connection import run_step
from parley.adapters.sql.engine.tables import REVISION, metadata
from parley.core.errors import Unavailable

# Any number that nobody else locks in parley's database.
_MIGRATION_LOCK = 7_236_413


class SchemaOutdated(Exception):
    """The database does not have the schema of this version; the message is a sentence for the operator."""


async def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    try:
        async with database.transaction(read_only=True) as transaction:
            revision: str | None = await transaction.scalar(REVISION_OF_DATABASE)
    except TableMissing:
        return None
    return revision


async def require_current(database: Database) -> None:
    """Raises SchemaOutdated unless the database has exactly the schema of this version."""
    revision = await current_revision(database)
    _refuse_newer(revision)
    if revision != REVISION:
        raise SchemaOutdated("The database has an older schema than this version of parley: run «parley migrate».")


async def has_current(database: Database) -> bool:
    """False when the schema is older than this version's.

    A newer one serves this version too, until all processes are of that one. Whether the database answers, and has any
    schema, is not the question here.
    """
    try:
        revision = await current_revision(database)
    except (DatabaseFailed, Unavailable):
        return True
    return revision is None or revision >= REVISION


async def migrate(database: Database) -> None:
    """Run every migration that the database has not had; an empty one gets the tables as they are today.

    Of several processes that do this at once, one does it and the others wait. Raises SchemaOutdated for a database
    that is ahead of this version.
    """
    revision = await current_revision(database)
    _refuse_newer(revision)
    if revision == REVISION:
        return
    if revision is not None:
        # alembic takes a quarter of a second to import.
        await asyncio.to_thread(__import__, "alembic.command")
    try:
        await run_step(database.url, _bring_up_to_date)
    except (DBAPIError, OSError) as error:
        raise DatabaseFailed from error


def _refuse_newer(revision: str | None) -> None:
    # Revisions are numbers of four digits.
    if revision is not None and revision > REVISION:
        raise SchemaOutdated(
            "The database has the schema of a newer version of parley: run that version, or a backup from before it."
        )


def migrations_folder() -> Path:
    """Beside the package in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[3]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def _bring_up_to_date(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    # Read again under the lock: another process may have done it meanwhile.
    match _read_revision(connection):
        case None:
            # Alembic's cookbook, "Building an Up to Date Database from Scratch". The contract tests hold the tables
            # against what the migrations make.
            metadata.create_all(connection)
            version_table.create(connection, checkfirst=True)
            connection.execute(version_table.insert().values(version_num=REVISION))
        case revision if revision != REVISION:
            _upgrade(connection)


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(version_table.name):
        return None
    revision: str | None = connection.execute(select(version_table.c.version_num)).scalar()
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  see migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()))
    command.upgrade(config, "head")
