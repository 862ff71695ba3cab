from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext

from tests.browser.chat_page import MIRA, ChatPage, browser
from tests.e2e.process import Served, served, sign_in

OpenPage = Callable[..., Awaitable[ChatPage]]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0", BASIC_DAILY_LIMIT="1000") as running:
        yield running


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    """A browser with a storage of its own."""
    async with browser() as started:
        yield await started.new_context()


@pytest.fixture
async def open_page(context: BrowserContext) -> AsyncIterator[OpenPage]:
    """Open a tab; at the end of the test no tab may have written an error or asked another host."""
    pages: list[ChatPage] = []

    async def open_(api: Served, path: str = "/chat") -> ChatPage:
        pages.append(await ChatPage.opened(context, api.address, path))
        return pages[-1]

    yield open_
    for page in pages:
        page.assert_quiet()


@pytest.fixture
async def page(api: Served, open_page: OpenPage) -> ChatPage:
    """The page of somebody who has signed in."""
    opened = await open_page(api)
    await opened.sign_in()
    return opened


@pytest.fixture
async def elsewhere(api: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Another client of the same account."""
    client = await sign_in(api.address, MIRA)
    yield client
    await client.aclose()
