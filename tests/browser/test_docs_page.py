"""The documentation page in a real browser that can reach only this server."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright

from tests.e2e.process import Served, served

INSTALL = (
    "These tests drive a real Chromium. Install it, on Debian with: apt-get install -y --no-install-recommends chromium"
)
PATIENCE_MILLISECONDS = 20_000


@dataclass
class Docs:
    """The page, with its requests and its console errors."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def opened(self, operation: str) -> Locator:
        """The block of an operation, open, with «Try it out» on."""
        block = self.page.locator(f".opblock[id$='-{operation}']")
        if "is-open" not in (await block.get_attribute("class") or ""):
            await block.locator(".opblock-summary-control").click()
        await block.locator("button.execute").wait_for()
        return block

    async def tried(self, operation: str, body: dict[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
        """The response after a click on the Execute button of the operation's block."""
        block = await self.opened(operation)
        for name, value in parameters.items():
            await block.locator(f"tr[data-param-name='{name}'] input").fill(value)
        if body is not None:
            await block.locator("textarea.body-param__text").fill(json.dumps(body))
        await block.locator("button.execute").click()
        answer = block.locator(".live-responses-table .response-col_description .highlight-code").first
        await answer.wait_for()
        status = await block.locator(".live-responses-table tbody .response-col_status").first.inner_text()
        assert status.split()[0] in {"200", "201", "202"}, await answer.inner_text()
        answered: dict[str, Any] = json.loads(await answer.locator("code").inner_text())
        return answered

    async def authorize(self, token: str) -> None:
        await self.page.locator("button.authorize").first.click()
        dialog = self.page.locator(".dialog-ux .auth-container").filter(has_text="bearer (http")
        await dialog.locator("input").fill(token)
        await dialog.locator("button[type=submit]").click()
        await dialog.get_by_text("Logout").wait_for()
        await self.page.locator(".dialog-ux button.btn-done").first.click()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as api:
        yield api


@pytest.fixture
async def docs(server: Served) -> AsyncIterator[Docs]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--headless=new", "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"],
        )
        yield await _docs(browser, server.address)
        await browser.close()


async def test_the_page_shows_every_operation_in_order_and_uses_no_other_server(docs: Docs) -> None:
    answer = await docs.page.request.get(f"{docs.address}/openapi.json")
    document = await answer.json()
    shown = [await tag.inner_text() for tag in await docs.page.locator(".opblock-tag a span").all()]
    assert shown == [tag["name"] for tag in document["tags"]]
    blocks = await docs.page.locator(".opblock").all()
    ids = {(await block.get_attribute("id") or "").rpartition("-")[2] for block in blocks}
    operations = {
        operation["operationId"]: operation for item in document["paths"].values() for operation in item.values()
    }
    assert ids == set(operations)
    deprecated = await docs.page.locator(".opblock-deprecated").count()
    assert deprecated == sum(operation.get("deprecated", False) for operation in operations.values())
    _assert_no_errors(docs)


async def test_a_user_signs_up_and_gets_a_reply_with_the_controls_of_the_page(docs: Docs) -> None:
    who = {"email": "mira@example.com"}
    signup = await docs.tried("signUp", who | {"name": "Mira", "password": "correct horse battery staple"})
    code = (await docs.tried("sendOtp", who))["otp"]
    proof = {"otp": code, "signup_token": signup["signup_token"]}
    signed_in = await docs.tried("verifyOtp", who | proof)
    assert signed_in["user"]["name"] == "Mira"

    await docs.authorize(signed_in["access_token"])
    room = await docs.tried("createChatroom", {"name": "Holiday plans"})
    parameters = {"chatroom_id": room["id"]}
    accepted = await docs.tried("postMessage", {"content": "Where is it warm?"}, **parameters)
    reply = await docs.tried("getMessage", **parameters, message_id=accepted["reply"]["id"], Prefer="wait=30")

    assert (reply["status"], reply["content"]) == ("completed", "You said: Where is it warm?")
    _assert_no_errors(docs)


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, INSTALL
    return found


async def _docs(browser: Browser, address: str) -> Docs:
    page = await browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    docs = Docs(page, address)
    page.on("request", lambda request: docs.requests.append(request.url))
    page.on("console", lambda said: docs.errors.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: docs.errors.append(str(error)))
    page.on("requestfailed", lambda request: docs.errors.append(f"{request.url}: {request.failure}"))
    await page.goto(f"{address}/docs")
    await page.locator(".opblock").first.wait_for()
    return docs


def _assert_no_errors(docs: Docs) -> None:
    assert docs.errors == []
    assert all(url.startswith((docs.address, "data:", "blob:")) for url in docs.requests), docs.requests
