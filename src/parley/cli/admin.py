"""`parley migrate`, `copy-database` and `openapi`: what an operator does besides running and checking parley."""

import secrets
from typing import Any

import click
import msgspec

from parley.adapters.http.openapi.document import openapi_document
from parley.adapters.sql.engine.tables import REVISION
from parley.bootstrap import bootstrap
from parley.bootstrap.database import (
    copy_installation,
    exclusive_use,
    migrate_schema,
    open_database,
    schema_revision,
)
from parley.bootstrap.processes import litestar_application
from parley.settings import Settings, read_settings


async def migrate_database(settings: Settings) -> str:
    """Returns what schema the database has now, in a sentence.

    Raises SettingsError for a database that parley cannot use, and for a SQLite file that a process serves.
    """
    database = open_database(settings)
    try:
        with exclusive_use(settings):
            await migrate_schema(settings, database)
            if await schema_revision(settings, database) == REVISION:
                return "The database has the schema of this version."
            return "The database has the schema of a newer version, which this version works with; it stays as it is."
    finally:
        await database.close()


async def copy_installation_to(source: str, target: str) -> None:
    """Copy a SQLite file to PostgreSQL and print what is copied. Raises SettingsError; then nothing was copied."""
    settings = read_settings()
    await copy_installation(
        msgspec.structs.replace(settings, database_url=source),
        msgspec.structs.replace(settings, database_url=target),
        lambda progress: click.echo(f"{progress.table}: {progress.rows} of {progress.total} rows"),
    )


def api_document() -> dict[str, Any]:
    """The document of the whole API, whatever the settings are."""
    settings = read_settings({name: secrets.token_urlsafe(48) for name in ("JWT_SECRET", "ADMIN_TOKEN")})
    return openapi_document(litestar_application(bootstrap(settings)))
