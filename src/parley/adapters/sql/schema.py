"""Bringing a database to the schema of this version."""

import asyncio
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from parley.adapters.sql.database import Database
from parley.adapters.sql.tables import REVISION


async def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    async with database.transaction(read_only=True) as connection:
        return await connection.run_sync(_read_revision)


async def migrate(database: Database) -> None:
    """Run every migration that the database has not had; with none to run, load nothing."""
    if await current_revision(database) == REVISION:
        return
    # alembic takes a quarter of a second to import.
    await asyncio.to_thread(__import__, "alembic.command")
    async with database.transaction() as connection:
        await connection.run_sync(_upgrade, "head")
        await connection.commit()


def migrations_folder() -> Path:
    """Beside the package in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415  see migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()))
    command.upgrade(config, revision)
