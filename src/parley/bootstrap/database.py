"""Choosing the database, and refusing in one line a database that parley cannot use."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseUrlInvalid
from parley.adapters.sql.engine.migrate import current_revision, migrate, require_this_revision
from parley.adapters.sql.engine.sqlite_file import inspect_file
from parley.adapters.sql.engine.unusable import DatabaseUnusable, driver_errors_explained
from parley.runtime.sqlite_file_lock import AlreadyRunning, lock_sqlite_file
from parley.settings import Settings, SettingsError


def open_database(settings: Settings) -> Database:
    """Connects at the first use. Raises SettingsError for an address that cannot be a database's."""
    try:
        return Database(settings.database_url)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def database_name(settings: Settings) -> str:
    """The database as an operator may see it: without the password."""
    return make_url(settings.database_url).set(query={}).render_as_string(hide_password=True)


@contextmanager
def exclusive_use(settings: Settings) -> Generator[None, None, None]:
    """Hold a SQLite file for this process; PostgreSQL may be shared.

    Raises SettingsError when another process serves the file, or when parley cannot use it; then nothing was written.
    """
    with ExitStack() as stack:
        if file := _sqlite_file(settings):
            with _operator_errors(settings):
                inspect_file(file)
                stack.enter_context(lock_sqlite_file(file))
        yield


async def check_database(settings: Settings) -> None:
    """Raises SettingsError when no API process can start: its SQLite file is in use, or its database is unusable.

    Servers report an error of the application's start with a traceback, so this is called before they run.
    """
    with exclusive_use(settings):
        if _sqlite_file(settings):
            return
    database = open_database(settings)
    try:
        await require_schema(settings, database)
    finally:
        await database.close()


async def prepare_schema(settings: Settings, database: Database) -> None:
    """Give SQLite the schema of this version. Raises SettingsError where PostgreSQL does not have it."""
    if _sqlite_file(settings):
        await migrate_schema(settings, database)
    else:
        await require_schema(settings, database)


async def migrate_schema(settings: Settings, database: Database) -> None:
    """Raises SettingsError when parley cannot use the database."""
    with _operator_errors(settings):
        await migrate(database)


async def require_schema(settings: Settings, database: Database) -> None:
    """Raises SettingsError unless the database has the schema of this version."""
    with _operator_errors(settings):
        require_this_revision(await _revision(settings, database))


async def schema_revision(settings: Settings, database: Database) -> str | None:
    """The revision of the schema; None when there are no tables yet. Raises SettingsError as `migrate_schema` does."""
    with _operator_errors(settings):
        return await _revision(settings, database)


async def _revision(settings: Settings, database: Database) -> str | None:
    # Opening a SQLite file would make it, or change it.
    file = _sqlite_file(settings)
    return inspect_file(file) if file else await current_revision(database)


def _sqlite_file(settings: Settings) -> Path | None:
    return Path(make_url(settings.database_url).database or "") if settings.database_url.startswith("sqlite") else None


@contextmanager
def _operator_errors(settings: Settings) -> Generator[None, None, None]:
    try:
        with driver_errors_explained():
            yield
    except DatabaseUnusable as error:
        raise SettingsError(f"DATABASE_URL: {database_name(settings)} {error}.") from error
    except DatabaseUrlInvalid as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error
    except AlreadyRunning as error:
        raise SettingsError(
            f"DATABASE_URL: another «parley run» serves {database_name(settings)}: stop it first, or use "
            "PostgreSQL and Redis for several processes."
        ) from error
