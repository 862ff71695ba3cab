import asyncio
import gc
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from parley.adapters.http.openapi.document import openapi_document
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.migrate import migrate
from parley.bootstrap.processes import litestar_application
from tests.http.document import Document
from tests.http.scripted_model import ScriptedModel
from tests.http.site import RAVI, Clock, Person, Site, opened, wired

OpenSite = Callable[..., Awaitable[Site]]
Logs = list[MutableMapping[str, Any]]


@pytest.fixture(scope="package", autouse=True)
def rarer_collections() -> Iterator[None]:
    """Collect garbage less often: it took a quarter of the time, since every application has many cycles."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    yield
    gc.set_threshold(*before)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the current schema, which tests copy: a migration takes longer than most tests."""
    file = tmp_path_factory.mktemp("schema") / "empty.db"
    asyncio.run(_migrate(file))
    return file


@pytest.fixture(scope="session")
def document(empty_database: Path) -> Document:
    """The OpenAPI document."""
    parley = wired(empty_database, Clock(), ScriptedModel())
    return Document(openapi_document(litestar_application(parley)))


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """The log entries of the application, as dictionaries."""
    with capture_logs(processors=[merge_contextvars]) as entries:
        yield entries


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
async def open_site(
    empty_database: Path, tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> AsyncGenerator[OpenSite, None]:
    """Opens a site with the given settings: `await open_site(BASIC_DAILY_LIMIT="5")`."""
    async with AsyncExitStack() as stack:

        async def open_one(**settings: str) -> Site:
            file = Path(shutil.copy(empty_database, tmp_path / "parley.db"))
            parley = wired(file, clock, model, **settings)
            return await stack.enter_async_context(opened(parley, clock, model, document))

        yield open_one


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site()


@pytest.fixture
async def mira(site: Site) -> Person:
    return await site.person()


@pytest.fixture
async def room(mira: Person) -> str:
    """A room of Mira's."""
    return await mira.new_room()


@pytest.fixture
async def ravi(site: Site) -> Person:
    """A second account."""
    return await site.person(RAVI)


async def _migrate(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    await migrate(database)
    await database.close()
