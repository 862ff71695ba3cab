"""Rooms of the chat page with more messages than are elements.

The server's history is replaced, since ten thousand messages take minutes to write.
"""

import asyncio
from typing import Any

import httpx
from playwright.async_api import Locator, Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import fixture
from tests.e2e.process import new_room

PAGE = 100
FIRST = """(node) => new Promise((done) => {
  const first = () => node.querySelector(".plain")?.textContent.startsWith("Message 0 ") ?? false;
  const look = () => (first() || node.scrollTop > 0 ? done(first()) : requestAnimationFrame(look));
  look();
})"""


class LongRoom:
    """A room with a history made up. `released` holds its older pages back while it is not set."""

    def __init__(self, page: ChatPage, room: dict[str, Any], message: dict[str, Any], count: int) -> None:
        self._page, self._room, self._message = page, room, message
        self.count, self.name = count, "Message"
        self.released = asyncio.Event()
        self.released.set()
        self.asked = asyncio.Event()

    @property
    def timeline(self) -> Locator:
        return self._page.tab.get_by_role("region", name="Messages")

    async def open(self) -> None:
        room = self._room["id"]
        await self._page.tab.route(f"**/chatroom/{room}/messages?*", self._history)
        await self._page.tab.route(f"**/chatroom/{room}", self._opened)
        await self._page.tab.goto(f"{self._page.address}/chat#/{room}")
        await self.ends_in_view()

    async def ends_in_view(self) -> None:
        await expect(self._page.tab.get_by_text(f"{self.name} {self.count - 1} ")).to_be_in_viewport()

    async def scroll_to_the_start(self) -> None:
        await self.timeline.evaluate("node => { node.scrollTop = 0; }")

    async def scroll_to_the_end(self) -> None:
        await self.timeline.evaluate("node => { node.scrollTop = node.scrollHeight; }")

    async def _opened(self, route: Route) -> None:
        start = self.count - 50
        await route.fulfill(
            json={**self._room, "messages": self._messages(start, self.count), "next_cursor": f"{self.name}-{start}"}
        )

    async def _history(self, route: Route) -> None:
        name, end = httpx.URL(route.request.url).params["cursor"].split("-")
        start = max(0, int(end) - PAGE)
        messages = self._messages(start, int(end))
        self.asked.set()
        await self.released.wait()
        await route.fulfill(json={"items": messages, "next_cursor": f"{name}-{start}" if start else None})

    def _messages(self, start: int, end: int) -> list[dict[str, Any]]:
        """Each in one of 90 lengths."""
        branch = len(self.name)
        return [
            {
                **self._message,
                "id": f"00000000-0000-7000-{8000 + branch}-{number:012}",
                "content": f"{self.name} {number} " + "words " * (number % 90),
            }
            for number in range(start, end)
        ]


@fixture
async def long_room(page: ChatPage, elsewhere: httpx.AsyncClient) -> LongRoom:
    room = (await elsewhere.get(f"/chatroom/{await new_room(elsewhere)}")).json()
    accepted = (await elsewhere.post(f"/chatroom/{room['id']}/message", json={"content": "x"})).json()
    return LongRoom(page, room, accepted["message"], 10_000)


async def test_a_room_of_thousands_of_messages_has_few_elements(page: ChatPage, long_room: LongRoom) -> None:
    await long_room.open()
    most = 0
    # More often than there are pages: a step may end before its page is there.
    for _ in range(4_000):
        await long_room.scroll_to_the_start()
        most = max(most, await page.tab.locator(".message").count())
        if await long_room.timeline.evaluate(FIRST):
            break
    # The page that arrived last left the view where it was, which may be too far below for the first message.
    await long_room.scroll_to_the_start()
    await expect(page.tab.get_by_text("Message 0 ")).to_be_attached()
    assert await page.tab.locator(".group").count() > 400
    assert most < 400
    # Back at the end, everything stands where it stood.
    await long_room.scroll_to_the_end()
    await long_room.ends_in_view()


async def test_only_the_messages_scroll_and_not_the_page(page: ChatPage, long_room: LongRoom) -> None:
    await long_room.open()
    heights = "[document.documentElement.scrollHeight, innerHeight]"
    whole, seen = await page.tab.evaluate(heights)
    assert whole == seen


async def test_older_messages_that_come_late_do_not_move_who_went_back_to_the_end(
    page: ChatPage, long_room: LongRoom
) -> None:
    await long_room.open()
    groups = page.tab.locator(".group")
    before = await groups.count()
    long_room.released.clear()
    await long_room.scroll_to_the_start()
    await long_room.asked.wait()
    await long_room.scroll_to_the_end()
    await long_room.ends_in_view()
    long_room.released.set()
    await expect(groups).to_have_count(before + PAGE // 20)
    await long_room.ends_in_view()
    assert await long_room.timeline.evaluate("node => node.scrollHeight - node.scrollTop - node.clientHeight") < 2


async def test_older_messages_of_a_branch_that_was_left_are_not_shown(page: ChatPage, long_room: LongRoom) -> None:
    await long_room.open()
    long_room.released.clear()
    await long_room.scroll_to_the_start()
    await long_room.asked.wait()
    # Another tab shows another branch, and this one comes to the front again.
    long_room.name, long_room.count = "Branch", 60
    await page.tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await long_room.ends_in_view()
    long_room.released.set()
    await long_room.scroll_to_the_start()
    await expect(page.tab.get_by_text("Branch 0 ")).to_be_attached()
    await expect(page.own.filter(has_text="Message ")).to_have_count(0)
