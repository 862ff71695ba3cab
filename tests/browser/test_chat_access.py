"""The chat page for everybody: assistive technology, the keyboard alone, small screens, long rooms, slow servers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage
from tests.clients.npm import installed
from tests.e2e.process import Served, served

RICH = """**bold** `code` [link](https://a.example)

# Title

- item

> quote

```js
let x;
```

|a|b|
|-|-|
|1|2|"""
AXE = "axe-core@4.14.1"
SERIOUS = {"serious", "critical"}


async def violations(tab: Page) -> list[Any]:
    """What axe finds, without what is only moderate."""
    source = (installed(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    await tab.evaluate(source)
    found = await tab.evaluate("axe.run()")
    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(api: Served, open_page: OpenPage, scheme: Any) -> None:
    page = await open_page(api)
    await page.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert await violations(page.tab) == []
    await page.sign_in()
    assert await violations(page.tab) == []
    await page.say(RICH)
    await page.button("Regenerate").click()
    await page.button("Previous version").wait_for()
    await page.ended()
    assert await violations(page.tab) == []
    await page.account.click()
    await expect(page.dialog.get_by_text("This one")).to_be_visible()
    await expect(page.dialog.get_by_text("No keys yet.")).to_be_visible()
    assert await violations(page.tab) == []
    await page.button("Close").click()
    await page.button("Delete").click()
    assert await violations(page.tab) == []


async def test_the_keyboard_alone(api: Served, open_page: OpenPage) -> None:
    page = await open_page(api)
    keyboard = page.tab.keyboard
    await page.tab.get_by_label("Email or mobile number").wait_for()
    await keyboard.type(page.identity)
    await keyboard.press("Enter")
    await page.tab.get_by_label("Code").wait_for()
    await keyboard.press("Enter")
    await expect(page.message).to_be_focused()
    await keyboard.type("Hello")
    await keyboard.press("Enter")
    await page.ended()
    await expect(page.message).to_be_focused()

    async def reach(name: str) -> None:
        for _ in range(40):
            await keyboard.press("Shift+Tab")
            if await page.tab.evaluate("document.activeElement.getAttribute('aria-label')") == name:
                return
        pytest.fail(f"{name} cannot be reached")

    await reach("Regenerate")
    await keyboard.press("Enter")
    await expect(page.replies.locator(".branches")).to_contain_text("2 / 2")
    await page.message.focus()
    await reach("Rename")
    await keyboard.press("Enter")
    await keyboard.type("By keyboard")
    await keyboard.press("Enter")
    await expect(page.rooms).to_contain_text("By keyboard")
    await expect(page.button("Rename")).to_be_focused()


async def test_a_screen_reader_hears_the_answer(page: ChatPage) -> None:
    await page.say("one\n\ntwo\n\nthree")
    heard = page.tab.get_by_role("log")
    await expect(heard).to_contain_text("three")
    await expect(heard).to_contain_text("The reply is complete.")


@pytest.mark.parametrize("width", [320, 700, 2000])
async def test_every_width_shows_everything(page: ChatPage, width: int) -> None:
    await page.tab.set_viewport_size({"width": width, "height": 640})
    await page.say(RICH + "\n\n" + "w" * 500)

    async def fits() -> bool:
        wide: bool = await page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        return wide

    assert await fits()
    is_narrow = await page.button("Chats").is_visible()
    assert is_narrow == (width < 736)
    if is_narrow:
        await page.button("Chats").click()
    await page.rooms.first.click()
    await page.button("Delete").click()
    await expect(page.button("Cancel")).to_be_in_viewport()
    await page.button("Cancel").click()
    if is_narrow:
        await page.button("Chats").click()
    await page.account.click()
    await expect(page.dialog.get_by_text("This one")).to_be_visible()
    assert await fits()
    await page.button("Close").click()
    await expect(page.button("Close chats")).to_be_hidden()


async def test_text_from_right_to_left(page: ChatPage) -> None:
    reply = await page.say("שלום עולם\n\nHello world")
    directions = await reply.locator(".markdown > p").evaluate_all("all => all.map(p => getComputedStyle(p).direction)")
    assert directions == ["ltr", "ltr"]  # it begins with «You said:»
    await expect(page.own.locator(".plain")).to_have_css("direction", "rtl")


async def test_it_is_painted_before_the_server_answers_anything(
    api: Served, page: ChatPage, context: BrowserContext
) -> None:
    await page.say("one")
    release = asyncio.Event()

    async def held(route: Route) -> None:
        await release.wait()
        await route.continue_()

    await page.tab.route(lambda url: "/chat/files/" not in url and not url.endswith("/chat"), held)
    await page.tab.reload()
    for control in (page.button("New chat"), page.button("Send"), page.button("Sign out"), page.message):
        await expect(control).to_be_visible()
    release.set()
    await expect(page.own).to_have_count(1)
    await page.tab.unroute_all(behavior="wait")


async def test_what_is_read_does_not_move_while_an_answer_streams(tmp_path: Path, open_page: OpenPage) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.05") as api:
        page = await open_page(api)
        await page.sign_in()
        await page.send("\n\n".join(f"**Paragraph{number}**" for number in range(60)))
        await expect(page.replies.locator(".body")).to_contain_text("Paragraph3")
        await page.tab.get_by_role("region", name="Messages").evaluate("node => { node.scrollTop = 0; }")
        places = await page.tab.evaluate(
            """() => new Promise((resolve) => {
                 const places = new Set();
                 const look = () => {
                   places.add(document.querySelector(".message.user").getBoundingClientRect().top);
                   if (document.querySelector(".composer [aria-label=Stop]").hidden) resolve([...places]);
                   else requestAnimationFrame(look);
                 };
                 look();
               })"""
        )
        assert len(places) == 1
        await expect(page.replies.locator(".body")).to_contain_text("Paragraph59")
        await page.tab.close()
