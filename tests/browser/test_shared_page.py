"""The page of a shared conversation in a real browser, on a phone and on a wide screen."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.process import ended, new_room, say, served, sign_in

ATTACK = '<script>document.title = "run"</script><img src=x onerror="document.title = \'run\'">'
ARABIC = "أين يكون الجو دافئًا في مايو؟"
TEXTS = [f"Is this run?\n{ATTACK}", ARABIC, "x" * 500]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with served(tmp_path_factory.mktemp("api"), OFFLINE_DELAY_SECONDS="0") as api:
        client = await sign_in(api.address)
        room = await new_room(client, name=f"Holiday plans {ATTACK}")
        for text in TEXTS:
            await ended(client, (await say(client, room, text))["reply"])
        yield (await client.post(f"/chatroom/{room}/share")).json()["url"]
        await client.aclose()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_is_readable_and_runs_nothing(browser: Browser, url: str, scheme: Any, width: int) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text))
    page.on("request", lambda request: problems.append(request.url) if request.url != url else None)
    await page.goto(url)

    assert await page.title() == f"Holiday plans {ATTACK}"
    assert await page.locator("article").count() == 2 * len(TEXTS)
    assert ATTACK in await page.locator("article").first.inner_text()
    assert await page.locator("script, main img, iframe, object, form").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    texts = page.locator(".text")
    directions = [await texts.nth(n).evaluate("e => getComputedStyle(e).direction") for n in range(3)]
    assert directions == ["ltr", "ltr", "rtl"]
    bright = await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert bright is (scheme == "light")
    assert problems == []
    await page.close()
