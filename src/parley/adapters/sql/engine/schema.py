"""Bringing a database to the schema of this version."""

import asyncio
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import REVISION, metadata
from parley.core.errors import Unavailable

# Any number that nobody else locks in parley's database.
_MIGRATION_LOCK = 7_236_413
# As alembic makes it.
_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class SchemaOutdated(Exception):
    """The database does not have the schema of this version; the message is a sentence for the operator."""


async def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    async with database.transaction(read_only=True) as connection:
        return await connection.run_sync(_read_revision)


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
    except (SQLAlchemyError, Unavailable):
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
    # Rebuilding a large table, and waiting for the process that does it, may take longer than any request.
    patient = Database(database.url, statement_seconds=None)
    try:
        async with patient.transaction() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            await connection.run_sync(_bring_up_to_date)
            await connection.commit()
    finally:
        await patient.close()


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


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _bring_up_to_date(connection: Connection) -> None:
    # Read again under the lock: another process may have done it meanwhile.
    match _read_revision(connection):
        case None:
            # Alembic's cookbook, "Building an Up to Date Database from Scratch". The contract tests hold the tables
            # against what the migrations make.
            metadata.create_all(connection)
            _VERSION.create(connection, checkfirst=True)
            connection.execute(_VERSION.insert().values(version_num=REVISION))
        case revision if revision != REVISION:
            _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  see migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()))
    command.upgrade(config, "head")
