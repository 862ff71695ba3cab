"""Choosing the database, and refusing in one line a database that parley cannot use."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.engine import make_url

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseUrlInvalid
from parley.adapters.sql.engine.migrate import current_revision, migrate, require_revision
from parley.adapters.sql.engine.outages import DatabaseOutages
from parley.adapters.sql.engine.sqlite_file import inspect_file, require_undamaged
from parley.adapters.sql.engine.tables import REVISION
from parley.adapters.sql.engine.trial import try_statements
from parley.adapters.sql.engine.unusable import DatabaseUnusable, driver_errors_explained
from parley.runtime.outage_log import OutageLog
from parley.runtime.sqlite_file_lock import AlreadyRunning, lock_sqlite_file
from parley.settings import Settings, SettingsError
from parley.settings.addresses import check_address

if TYPE_CHECKING:
    from parley.adapters.sql.engine.copy_database import Progress

log = structlog.get_logger("parley.start")


def open_database(settings: Settings, outages: DatabaseOutages | None = None) -> Database:
    """Connects at the first use. Raises SettingsError for an address that cannot be a database's."""
    try:
        return Database(
            settings.database_url,
            connections=settings.database_connections,
            idle_seconds=settings.database_idle_seconds,
            outages=outages,
        )
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def open_logged_database(settings: Settings) -> Database:
    """As `open_database`, for a process that logs outages."""
    outages = DatabaseOutages(connections=OutageLog("database"), statements=OutageLog("database statements"))
    return open_database(settings, outages)


def database_name(settings: Settings) -> str:
    """The database as an operator may see it: without the password."""
    return make_url(settings.database_url).set(query={}).render_as_string(hide_password=True)


@contextmanager
def exclusive_use(settings: Settings, name: str = "DATABASE_URL") -> Generator[None, None, None]:
    """Hold a SQLite file for this process; PostgreSQL may be shared.

    Raises SettingsError when another process serves the file, or when parley cannot use it; then nothing was written.
    """
    with ExitStack() as stack:
        if file := _sqlite_file(settings):
            with _operator_errors(settings, name):
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
        await try_database(settings, database)
    finally:
        await database.close()


async def prepare_schema(settings: Settings, database: Database) -> None:
    """Give SQLite the schema of this version. Raises SettingsError where PostgreSQL does not have it."""
    if _sqlite_file(settings):
        await migrate_schema(settings, database)
    await require_schema(settings, database)


async def migrate_schema(settings: Settings, database: Database) -> None:
    """A newer schema that this version works with stays as it is.

    Raises SettingsError when parley cannot use the database.
    """
    with _operator_errors(settings):
        await migrate(database)


async def require_schema(settings: Settings, database: Database) -> None:
    """Raises SettingsError unless this version works with the schema of the database."""
    with _operator_errors(settings):
        revision = await _revision(settings, database)
        require_revision(revision)
    if revision != REVISION:
        log.warning("schema_is_newer", schema=revision, this_version=REVISION)


async def try_database(settings: Settings, database: Database) -> None:
    """Do with PostgreSQL what parley does, and read a whole SQLite file. Raises SettingsError for what fails."""
    with _operator_errors(settings):
        if file := _sqlite_file(settings):
            await asyncio.to_thread(require_undamaged, file)
        else:
            await try_statements(database)


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


async def copy_installation(source: Settings, target: Settings, report: "Callable[[Progress], None]") -> None:
    """Copy the SQLite file that `source` names to the PostgreSQL database that `target` names, all or nothing.

    Raises SettingsError for a file that a process serves, for one without this version's schema, and for a database
    that has rows or cannot be used.
    """
    file = _sqlite_file(source)
    if file is None or _sqlite_file(target) is not None:
        raise SettingsError("FROM must begin with sqlite:/// and TO with postgresql://.")
    check_address("TO", target.database_url)
    with exclusive_use(source, "FROM"):
        with _operator_errors(source, "FROM"):
            revision = inspect_file(file)
            require_revision(revision)
            if revision != REVISION:
                raise DatabaseUnusable("has the schema of a newer version of parley: copy it with that version")
        with _operator_errors(target, "TO"):
            # Alembic and SQLAlchemy's engine, which nothing else needs.
            from parley.adapters.sql.engine.copy_database import copy_database  # noqa: PLC0415

            await copy_database(file, target.database_url, report)


@contextmanager
def _operator_errors(settings: Settings, name: str = "DATABASE_URL") -> Generator[None, None, None]:
    """Raise SettingsError for what makes a database unusable, with `name` for where its address was given."""
    try:
        with driver_errors_explained():
            yield
    except DatabaseUnusable as error:
        raise SettingsError(f"{name}: {database_name(settings)} {error}.") from error
    except DatabaseUrlInvalid as error:
        raise SettingsError(f"{name}: {error}") from error
    except AlreadyRunning as error:
        raise SettingsError(
            f"{name}: another «parley run» serves {database_name(settings)}: stop it first, or use "
            "PostgreSQL and Redis for several processes."
        ) from error
