"""New databases of every kind, and steps of the migrations in them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrations_folder
from parley.adapters.sql.engine.sqlalchemy_connection import run_step
from tests.contracts.databases import opened
from tests.contracts.postgres_fixtures import empty_database


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncGenerator[Callable[[], str], None]:
    numbers = iter(range(1_000))
    yield lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"


@asynccontextmanager
async def postgresql(_folder: Path) -> AsyncGenerator[Callable[[], str], None]:
    with ExitStack() as databases:
        yield lambda: databases.enter_context(empty_database())


NEW = [pytest.param(sqlite, id="sqlite"), pytest.param(postgresql, id="postgresql")]


@pytest.fixture(params=NEW)
async def every_new_url(request, tmp_path):
    """Makes the address of a new and empty database."""
    async with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=NEW)
async def new_database(request, tmp_path):
    """A database without any table."""
    async with request.param(tmp_path) as made, opened(made()) as database:
        yield database


async def applied(database: Database, step: Callable[[Connection], Any]) -> Any:
    return await run_step(database.url, step)


async def moved(database: Database, direction: Callable[[Config, str], None], revision: str) -> None:
    def move(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(migrations_folder()))
        direction(config, revision)

    await applied(database, move)


def revisions() -> list[str]:
    """All of them, oldest first, after the beginning of all."""
    scripts = ScriptDirectory(str(migrations_folder()))
    return ["base", *(script.revision for script in reversed(list(scripts.walk_revisions())))]
