"""Databases on the shared PostgreSQL server, which is started when the first test asks for one.

All but the migration of the template blocks, for some milliseconds a test.
"""

import atexit
import itertools
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import make_url

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from tests.servers.postgres_server import run_sql, shared_server

# The server may be everybody's: names hold the process.
_numbers = itertools.count(1)
_templates: list[str] = []
_emptied: list[str] = []
# The others go with them.
_ROOTS = (
    "accounts",
    "challenges",
    "code_challenges",
    "day_statistics",
    "deliveries",
    "erased_usage",
    "guess_failures",
    "known_devices",
    "messages_to_owners",
    "noted_statistics",
    "signups",
    "revoked_sessions",
    "events",
    "closures",
    "leases",
    "sandbox_objects",
    "search_backlog",
    "search_queue",
    "webhook_deliveries",
)


def create_database(*, template: str = "template0") -> str:
    """The URL of a new database, which is a copy of the template."""
    url = make_url(shared_server())
    name = f"parley_test_{os.getpid()}_{next(_numbers)}"
    run_sql(shared_server(), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    return url.set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    run_sql(shared_server(), f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


@contextmanager
def empty_database() -> Generator[str, None, None]:
    """A database without any table."""
    url = create_database()
    try:
        yield url
    finally:
        drop_database(url)


@asynccontextmanager
async def migrated_database() -> AsyncGenerator[str, None]:
    """A database of one's own with the schema of this version and no rows. Its schema must stay as it is."""
    # Deleting a few rows takes 6 ms; a new database takes 15 on an idle machine and 300 on one with a busy disk.
    url = _emptied.pop() if _emptied else _kept(create_database(template=await migrated_template()))
    yield url
    run_sql(url, "; ".join(["SET lock_timeout = '5s'", *(f"DELETE FROM {table}" for table in _ROOTS)]))
    _emptied.append(url)


async def migrated_template() -> str:
    """The name of a database with the schema of this version to make copies of."""
    if not _templates:
        url = _kept(create_database())
        database = Database(url)
        try:
            await migrate(database)
        finally:
            await database.close()
        _templates.append(str(make_url(url).database))
    return _templates[0]


def _kept(url: str) -> str:
    """Until the end of all tests."""
    atexit.register(drop_database, url)
    return url
