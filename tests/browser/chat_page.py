"""The chat page in a real Chromium that can reach only the server of the test."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from tests.browser.test_docs_page import chromium

MIRA = "mira@example.com"
PATIENCE_MILLISECONDS = 45_000
# Chromium says this of every response that is no success.
_FAILED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
_LOST = "Failed to load resource: net::"

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@dataclass
class ChatPage:
    """A tab with the page, what it asked for, and what it wrote on the console.

    `failures` are the statuses that a test expects among the responses.
    """

    tab: Page
    address: str
    identity: str = MIRA
    foreign: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    failures: set[int] = field(default_factory=set)
    may_lose_the_server: bool = False

    @classmethod
    async def opened(cls, context: BrowserContext, address: str, path: str = "/chat", identity: str = MIRA) -> Self:
        tab = await context.new_page()
        tab.set_default_timeout(PATIENCE_MILLISECONDS)
        page = cls(tab, address, identity)
        tab.on("request", page._requested)
        tab.on("console", lambda message: page._wrote(message.type, message.text))
        tab.on("pageerror", lambda error: page.said.append(str(error)))
        await tab.goto(f"{address}{path}")
        return page

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((f"{self.address}/", "data:", f"blob:{self.address}/")):
            self.foreign.append(request.url)

    def _wrote(self, kind: str, text: str) -> None:
        failed = _FAILED.match(text)
        expected = int(failed[1]) in self.failures if failed else text.startswith(_LOST) and self.may_lose_the_server
        if kind in {"error", "warning"} and not expected:
            self.said.append(text)

    def assert_quiet(self) -> None:
        assert self.said == [], self.said
        assert self.foreign == [], self.foreign

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.tab).get_by_role("button", name=name, exact=True)

    @property
    def message(self) -> Locator:
        return self.tab.locator(".composer").get_by_label("Message", exact=True)

    @property
    def replies(self) -> Locator:
        return self.tab.locator(".message.assistant")

    @property
    def own(self) -> Locator:
        return self.tab.locator(".message.user")

    @property
    def rooms(self) -> Locator:
        return self.tab.locator(".rooms a")

    @property
    def account(self) -> Locator:
        """The button that opens the account."""
        return self.tab.locator("#side .account")

    @property
    def dialog(self) -> Locator:
        return self.tab.get_by_role("dialog")

    async def sign_in(self) -> None:
        await self.tab.get_by_label("Email or mobile number").fill(self.identity)
        await self.button("Sign in").click()
        await self.tab.get_by_label("Code").wait_for()
        await self.button("Sign in").click()
        await self.message.wait_for()

    async def send(self, text: str) -> None:
        await self.message.fill(text)
        await self.button("Send").click()
        await expect(self.message).to_have_value("")

    async def say(self, text: str) -> Locator:
        """Send, and wait for the end of the reply. Returns the reply."""
        await self.send(text)
        return await self.ended()

    async def ended(self) -> Locator:
        """The last reply, once it has ended."""
        reply = self.replies.last
        await self.button("Regenerate", reply).wait_for()
        return reply


@asynccontextmanager
async def browser(*arguments: str) -> AsyncIterator[Browser]:
    """Other hosts than this machine have no address for it."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--headless=new",
                "--no-sandbox",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                *arguments,
            ],
        )
        yield started
        await started.close()
