"""The browser's client of docs/clients.md in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from tests.browser.test_docs_page import chromium
from tests.e2e.documented import ANSWER, QUESTION, THOUGHT, documented, thinking_server
from tests.e2e.process import new_room, say, sign_in

# Resolves with everything that was shown, once an end was.
FOLLOW = """([api, accepted]) => new Promise((resolve) => {
  const shown = [];
  follow(api, accepted, (state) => { shown.push(state); if (state.end) resolve(shown); });
})"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--headless=new", "--no-sandbox"])
        yield await browser.new_page()
        await browser.close()


async def followed(page: Page, api: str, accepted: dict[str, Any]) -> list[dict[str, Any]]:
    await page.goto(f"{api}/docs")
    await page.evaluate(f"() => {{ {documented('js')} globalThis.follow = follow; }}")
    shown: list[dict[str, Any]] = await page.evaluate(FOLLOW, [api, accepted])
    return shown


@pytest.mark.parametrize("public_url", [True, False], ids=["with PUBLIC_URL", "without"])
async def test_browser_client_shows_reasoning_apart_and_stops_when_refused(
    tmp_path: Path, page: Page, public_url: bool
) -> None:
    async with thinking_server(tmp_path, public_url=public_url) as api:
        client = await sign_in(api.address)
        room = await new_room(client)
        accepted = await say(client, room, QUESTION)
        shown = await followed(page, api.address, accepted)
        assert shown[-1] == {"reasoning": THOUGHT, "text": ANSWER, "end": "done"}
        assert shown[-2] == {"reasoning": THOUGHT, "text": ANSWER, "end": None}

        await client.delete(f"/chatroom/{room}")
        assert await followed(page, api.address, accepted) == [{"reasoning": "", "text": "", "end": "refused"}]
        await client.post("/auth/logout")
        assert await followed(page, api.address, accepted) == [{"reasoning": "", "text": "", "end": "refused"}]
        await client.aclose()
