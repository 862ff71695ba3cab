"""From the free plan through two paid ones and back, in a real browser on the sandbox's pages.

The server runs in the test's process with a clock of the test, so that a grace period can pass. Each change must be in
force with the account's next message.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import Page, expect

from parley.bootstrap import bootstrap
from parley.bootstrap.processes import api_application
from parley.settings import read_settings
from tests.browser.chat_page import browser
from tests.e2e.process import SECRET, sign_in
from tests.servers.redis_server import free_port

PLANS = """
[plans.free]
title = "Free"
messages_per_day = 2

[plans.plus]
title = "Plus"
prices = ["price_plus_month", "price_plus_year"]
messages_per_day = 4

[plans.pro]
title = "Pro"
prices = ["price_pro_month", "price_pro_year"]
"""


@dataclass
class Site:
    """The server, and the one account that uses it."""

    address: str
    clock: list[datetime]
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    room: str = ""

    async def sign_in(self) -> None:
        await self.client.aclose()
        self.client = await sign_in(self.address)

    async def say(self) -> str | None:
        """Send a message; returns the messages that are left, or None if it is refused."""
        if not self.room:
            self.room = (await self.client.post("/chatroom", json={"name": "A room"})).json()["id"]
        answer = await self.client.post(f"/chatroom/{self.room}/message", json={"content": "Hello"})
        if answer.status_code == 429:
            assert answer.json()["code"] == "quota_exceeded"
            return None
        assert answer.status_code == 202, answer.text
        limit = answer.headers.get("RateLimit")
        return "no limit" if limit is None else limit.partition("r=")[2].partition(";")[0]

    async def link(self, path: str, name: str, **body: Any) -> str:
        answer = await self.client.post(path, json=body or None)
        assert answer.status_code == 200, answer.text
        address = str(answer.json()[name])
        return address if address.startswith("http") else f"{self.address}{address}"

    async def status(self) -> tuple[str, str]:
        found = (await self.client.get("/subscription/status")).json()
        return found["plan"], found["status"]

    def forward(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "parley.toml").write_text(PLANS)
    port = free_port()
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'parley.db'}",
        "PARLEY_CONFIG": str(tmp_path / "parley.toml"),
        "JWT_SECRET": SECRET,
        "AUTH_REQUESTS_PER_MINUTE": "0",
        "OTP_RESEND_SECONDS": "0",
        "OFFLINE_DELAY_SECONDS": "0",
    }
    # At the beginning of a day, so that the messages of this walk count for one.
    clock = [datetime.now(UTC).replace(hour=0, minute=1)]
    async with serving(read_settings(environment, dotenv=tmp_path / "no.env"), port, clock):
        yield Site(f"http://127.0.0.1:{port}", clock)


@asynccontextmanager
async def serving(settings: Any, port: int, clock: list[datetime]) -> AsyncIterator[None]:
    parley = bootstrap(settings, now=lambda: clock[0])
    server = uvicorn.Server(uvicorn.Config(api_application(parley), port=port, log_config=None))
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            assert not running.done(), "the server ended before it answered"
            await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        await running


async def press(page: Page, name: str) -> None:
    """Click the button, and wait for the page that follows."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=name, exact=True).click()


async def test_each_plan_is_in_force_with_the_next_message(site: Site) -> None:
    async with browser() as chromium:
        page = await chromium.new_page()
        await site.sign_in()
        # Free.
        assert [await site.say() for _ in range(3)] == ["1", "0", None]

        # Plus by the month.
        await page.goto(await site.link("/subscribe/plus", "checkout_url"))
        await expect(page.get_by_role("heading", name="Subscribe to Plus")).to_be_visible()
        await press(page, "Pay")
        assert await site.status() == ("plus", "active")
        assert [await site.say() for _ in range(3)] == ["1", "0", None]

        # Up to Pro by the year.
        await page.goto(await site.link("/subscription/portal", "portal_url"))
        await press(page, "Change to Pro, price_pro_year")
        await expect(page.get_by_text("Price: price_pro_year")).to_be_visible()
        assert await site.status() == ("pro", "active")
        assert [await site.say() for _ in range(3)] == ["no limit"] * 3

        # A payment fails: the plan stays for the days of grace.
        await press(page, "Let a payment fail")
        await expect(page.get_by_text("Status: past_due")).to_be_visible()
        assert await site.status() == ("pro", "past_due")
        assert await site.say() == "no limit"
        site.forward(days=6, hours=23)
        await site.sign_in()
        assert await site.say() == "no limit"

        # Grace is over: free again, with what that allows today.
        site.forward(hours=2)
        await site.sign_in()
        assert (await site.status())[0] == "free"
        assert [await site.say() for _ in range(3)] == ["1", "0", None]

        # The owner cancels, and nothing is left to pay.
        await page.goto(await site.link("/subscription/portal", "portal_url"))
        await press(page, "Cancel now")
        assert await site.status() == ("free", "canceled")
        await site.client.aclose()


async def test_a_page_for_another_price_closes_the_first(site: Site) -> None:
    async with browser() as chromium:
        page, other = await chromium.new_page(), await chromium.new_page()
        await site.sign_in()
        await page.goto(await site.link("/subscribe/plus", "checkout_url"))
        await other.goto(await site.link("/subscribe/pro", "checkout_url", price="price_pro_year"))
        await press(page, "Pay")
        await expect(page.get_by_role("heading", name="This page has expired")).to_be_visible()
        assert await site.status() == ("free", "none")
        await press(other, "Pay")
        assert await site.status() == ("pro", "active")
        await site.client.aclose()
