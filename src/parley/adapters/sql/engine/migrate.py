"""Bringing a database to the schema of this version."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from parley.adapters.sql.engine.database import REVISION_OF_DATABASE, Database, version_table
from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.parents import fill_parents
from parley.adapters.sql.engine.sqlalchemy_connection import run_step
from parley.adapters.sql.engine.statements import PerDatabase, Statement
from parley.adapters.sql.engine.tables import OLDEST_REVISION, REVISION, metadata, schema_compatibility
from parley.adapters.sql.engine.unusable import DatabaseUnusable
from parley.core.errors import Unavailable

VERSION_TABLE = version_table.name
LIST_VERSIONS = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  a constant
LIST_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
    # Tables of extensions, such as PostGIS', belong to no application.
    "postgresql": """
        SELECT relname FROM pg_class
        WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        AND relkind IN ('r', 'p')
        AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
        )
    """,
}
LIST_COMPATIBILITY = f"SELECT oldest_revision FROM {schema_compatibility.name}"  # noqa: S608  a constant
_TABLES = PerDatabase(postgresql=text(LIST_TABLES["postgresql"]), sqlite=text(LIST_TABLES["sqlite"]))

_COMPATIBILITY = Statement(select(schema_compatibility.c.oldest_revision))

# Any number that no other program locks in parley's database.
_MIGRATION_LOCK = 7_236_413
# At this revision most messages get their parent, in batches; the next one gives it to the others.
_BEFORE_PARENTS = "0012"
# Every revision of the schema has these, and hardly another application has them all.
_OWN_TABLES = frozenset({"challenges", "messages", "refresh_tokens", "rooms", "usage_days"})


async def current_revision(database: Database) -> str | None:
    """The revision of the database's schema; None when it has no tables.

    It is this version's, an older one, or a newer one that this version works with. Raises DatabaseUnusable for any
    other, and for tables of another application.
    """
    async with database.transaction(read_only=True) as transaction:
        tables = set(await transaction.scalars(_TABLES))
        versions = await transaction.scalars(REVISION_OF_DATABASE) if VERSION_TABLE in tables else []
        compatible = await transaction.scalars(_COMPATIBILITY) if schema_compatibility.name in tables else []
    return revision_of(tables, versions, compatible)


def require_revision(revision: str | None) -> None:
    """Raises DatabaseUnusable for no schema and for an older one than this version's."""
    if revision is None:
        raise DatabaseUnusable("has no tables yet: run «parley migrate»")
    if revision < REVISION:
        raise DatabaseUnusable("has the older schema of a version before this one: run «parley migrate»")


async def has_current(database: Database) -> bool:
    """False when this version does not work with the schema, or it is another application's.

    Other health checks report a database that does not answer or is empty.
    """
    try:
        revision = await current_revision(database)
    except DatabaseUnusable:
        return False
    except (DatabaseFailed, Unavailable):
        return True
    return revision is None or revision >= REVISION


async def migrate(database: Database) -> None:
    """Run every migration that the database has not had; an empty database gets the tables as they are today.

    Each is a separate transaction: one that locked several tables could deadlock with other processes' requests. Of
    several processes that do this at once, one does it and the others wait. A newer schema stays as it is. Raises
    DatabaseUnusable as `current_revision` does.
    """
    revision = await current_revision(database)
    if revision is not None and revision >= REVISION:
        return
    if revision is not None:
        # alembic takes a quarter of a second to import.
        await asyncio.to_thread(__import__, "alembic.command")
    try:
        while revision is None or revision < REVISION:
            if revision == _BEFORE_PARENTS:
                await fill_parents(database)
            await run_step(database.url, partial(bring_up_to_date, aim="+1"))
            revision = await current_revision(database)
    except (DBAPIError, OSError) as error:
        raise DatabaseFailed from error


def migrations_folder() -> Path:
    """Beside the package in an installed wheel, at the top of a checkout."""
    package = Path(__file__).parents[3]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def revision_of(tables: AbstractSet[str], versions: Sequence[str], compatible: Sequence[str] = ()) -> str | None:
    """The revision of a database with these tables and these rows of those about itself; None when it is empty.

    Raises DatabaseUnusable when the tables are not parley's, as other applications use alembic too, or when this
    version does not work with them.
    """
    if not versions and tables <= {VERSION_TABLE}:
        return None
    # Revisions of parley are numbers of four digits.
    known = len(versions) == 1 and len(versions[0]) == len(REVISION) and versions[0].isdecimal()
    if not known or not tables >= _OWN_TABLES:
        raise DatabaseUnusable("has tables of another application: name an empty database, or a new file")
    [revision] = versions
    if revision > REVISION and not any(oldest <= REVISION for oldest in compatible):
        raise DatabaseUnusable(
            "has the schema of a newer version of parley, which this one does not work with: run that version, or "
            "restore a backup from before it"
        )
    return revision


def require_fts5(compile_options: Sequence[str]) -> None:
    """Raises DatabaseUnusable for a SQLite that was compiled without the FTS5 extension."""
    if "ENABLE_FTS5" not in compile_options:
        raise DatabaseUnusable(
            "needs SQLite with FTS5, which the sqlite3 module of this Python lacks: use another build of Python, or "
            "PostgreSQL (DATABASE_URL)"
        )


def bring_up_to_date(connection: Connection, *, aim: str = "head") -> None:
    """Make or migrate the tables in the transaction of this connection. Raises DatabaseUnusable as `migrate` does.

    `aim` is a revision as alembic names it, such as «+1» for the next one. New tables are always those of today.
    """
    if connection.dialect.name == "sqlite":
        require_fts5(connection.execute(text("PRAGMA compile_options")).scalars().all())
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    # Read again under the lock: another process may have migrated meanwhile.
    tables = set(connection.execute(text(LIST_TABLES[connection.dialect.name])).scalars())
    versions = connection.execute(text(LIST_VERSIONS)).scalars().all() if VERSION_TABLE in tables else []
    compatible = schema_compatibility.name in tables and connection.execute(text(LIST_COMPATIBILITY)).scalars().all()
    match revision_of(tables, versions, compatible or ()):
        case None:
            # Alembic's cookbook, "Building an Up to Date Database from Scratch". The contract tests compare these
            # tables with those that the migrations make. Tables of the same names in another schema of the search path
            # do not count, so SQLAlchemy must not look for them.
            metadata.create_all(connection, checkfirst=False)
            if VERSION_TABLE not in tables:
                version_table.create(connection, checkfirst=False)
            connection.execute(version_table.insert().values(version_num=REVISION))
            connection.execute(schema_compatibility.insert().values(oldest_revision=OLDEST_REVISION))
        case revision if revision < REVISION:
            _upgrade(connection, aim)


def _upgrade(connection: Connection, aim: str) -> None:
    from alembic import command  # noqa: PLC0415  see migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()))
    command.upgrade(config, aim)
