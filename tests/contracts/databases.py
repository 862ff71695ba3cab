"""A database of each kind for a contract test, with the schema of this version and without rows."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from tests.contracts.postgres_fixtures import migrated_database
from tests.fakes.database import FakeDatabase

# The content of one: writing it takes a fifth of the time of a migration.
_migrated_files: list[bytes] = []
_numbers = itertools.count(1)


def new_id() -> UUID:
    """Greater than every id before."""
    return UUID(int=next(_numbers))


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncGenerator[Database, None]:
    database = Database(url, **options)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def memory(_folder: Path) -> AsyncGenerator[FakeDatabase, None]:
    yield FakeDatabase()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncGenerator[Database, None]:
    file = folder / "parley.db"
    if not _migrated_files:
        async with opened(f"sqlite:///{file}") as database:
            await migrate(database)
        _migrated_files.append(file.read_bytes())
    file.write_bytes(_migrated_files[0])
    async with opened(f"sqlite:///{file}") as database:
        yield database


@asynccontextmanager
async def postgresql(_folder: Path) -> AsyncGenerator[Database, None]:
    async with migrated_database() as url, opened(url) as database:
        yield database


SQL = [pytest.param(sqlite, id="sqlite"), pytest.param(postgresql, id="postgresql")]
EVERY = [pytest.param(memory, id="memory"), *SQL]
