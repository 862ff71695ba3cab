from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.browser import chat_page
from tests.browser.chat_page import ChatPage
from tests.e2e.process import Served, served, sign_in

OpenPage = Callable[..., Awaitable[ChatPage]]

# The browser and the server are shared by all tests that ask for them, so these tests and their fixtures share a loop.
shared = pytest_asyncio.fixture(scope="session", loop_scope="session")
fixture = pytest_asyncio.fixture(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@shared
async def browser() -> AsyncIterator[Browser]:
    async with chat_page.browser() as started:
        yield started


@shared
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder: Path = tmp_path_factory.mktemp("api")
    async with served(folder, OFFLINE_DELAY_SECONDS="0", BASIC_DAILY_LIMIT="1000") as running:
        yield running


@pytest.fixture
def identity() -> str:
    """The address of the test's own account."""
    return f"mira-{uuid4().hex}@example.com"


@fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser with a storage of its own."""
    made = await browser.new_context()
    yield made
    await made.close()


@fixture
async def open_page(context: BrowserContext, identity: str) -> AsyncIterator[OpenPage]:
    """Open a tab; at the end of the test no tab may have written an error or asked another host."""
    pages: list[ChatPage] = []

    async def open_(api: Served, path: str = "/chat") -> ChatPage:
        pages.append(await ChatPage.opened(context, api.address, path, identity))
        return pages[-1]

    yield open_
    for page in pages:
        page.assert_quiet()


@fixture
async def page(api: Served, open_page: OpenPage) -> ChatPage:
    """The page of somebody who has signed in."""
    opened = await open_page(api)
    await opened.sign_in()
    return opened


@fixture
async def elsewhere(api: Served, identity: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another client of the same account."""
    client = await sign_in(api.address, identity)
    yield client
    await client.aclose()
