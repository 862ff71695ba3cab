"""The operator's page in a real browser."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage, fixture
from tests.browser.test_chat_access import violations
from tests.e2e.process import Served, ended, new_room, say, served, sign_in
from tests.servers.redis_server import free_port

TOKEN = "only for tests but long enough, too"


@fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0", ADMIN_TOKEN=TOKEN) as running:
        for name in ("mira", "ravi", "<b>eve</b>"):
            client = await sign_in(running.address, f"{name.strip('<b>/')}@example.com")
            await client.patch("/user/me", json={"name": name})
            await ended(client, (await say(client, await new_room(client), "Hello"))["reply"])
            await client.aclose()
        yield running


@fixture
async def desk(api: Served, open_page: OpenPage) -> ChatPage:
    page = await open_page(api, "/chat/admin")
    page.failures = {401}
    for token in ("a wrong one", TOKEN):
        await page.tab.get_by_label("Operator's token").fill(token)
        await page.button("Sign in").click()
        if token != TOKEN:
            await expect(page.tab.get_by_text("ADMIN_TOKEN, as")).to_be_visible()
    await expect(page.tab.locator("tbody tr").filter(has_text="@example.com")).to_have_count(3)
    return page


async def test_an_account_is_found_suspended_and_erased(desk: ChatPage) -> None:
    rows = desk.tab.get_by_role("group", name="Accounts").locator("tbody tr")
    await desk.tab.get_by_label("Search accounts").fill("mira")
    await expect(rows).to_have_count(1)
    await desk.button("mira@example.com").click()
    await expect(desk.dialog.get_by_text("1 message today")).to_be_visible()
    await desk.button("Suspend", desk.dialog).click()
    await expect(rows).to_contain_text("Suspended")
    await desk.button("Lift the suspension").click()
    await expect(rows).not_to_contain_text("Suspended")
    await desk.dialog.get_by_label("Plan").fill("pro")
    await desk.button("Set plan").click()
    await expect(rows).to_contain_text("pro")
    await desk.button("End all sessions").click()
    await expect(desk.dialog.get_by_text("None.")).to_be_visible()
    assert await violations(desk.tab) == []
    await desk.button("Erase account").click()
    await desk.button("Erase account", desk.tab.get_by_role("dialog", name="Erase this account?")).click()
    await expect(rows).to_have_count(0)


async def test_the_token_is_forgotten_with_the_tab_and_at_sign_out(
    desk: ChatPage, api: Served, open_page: OpenPage
) -> None:
    await desk.tab.reload()
    await expect(desk.tab.get_by_text("ravi@example.com")).to_be_visible()
    other = await open_page(api, "/chat/admin")
    await expect(other.tab.get_by_label("Operator's token")).to_be_visible()
    await desk.button("Sign out").click()
    await desk.tab.reload()
    await expect(desk.tab.get_by_label("Operator's token")).to_be_visible()


async def test_statistics_are_plotted(desk: ChatPage) -> None:
    """With the server's own, which a worker counts once a minute, and with some that are not nothing."""
    plots = desk.tab.locator("figure")
    await expect(plots).to_have_count(6)
    await expect(plots.first.get_by_role("img")).to_have_accessible_name(re.compile("^Messages of the last 30 days: "))
    days = [
        {
            "day": f"2026-11-{number:02}",
            "signups": 1,
            "active_accounts": 2,
            "messages": number,
            "tokens": {"offline/echo": {"input": 5, "output": 7}, "other": {"input": 1, "output": 1}},
            "failures": {"model_unavailable": 2},
            "plans": {"basic": 9, "pro": number},
        }
        for number in range(30, 0, -1)
    ]
    await desk.tab.route("**/admin/stats*", lambda route: route.fulfill(json={"items": days, "next_cursor": None}))
    await desk.tab.reload()
    named = plots.get_by_role("img")
    await expect(named.nth(0)).to_have_accessible_name("Messages of the last 30 days: 465, at most 30 a day")
    await expect(named.nth(3)).to_have_accessible_name("Tokens read of the last 30 days: 180, at most 6 a day")
    await expect(desk.tab.get_by_role("table", name="Plans")).to_contain_text("pro30")
    await expect(desk.tab.get_by_role("table", name="Failures")).to_contain_text("model_unavailable60")
    assert await violations(desk.tab) == []


async def test_deliveries_of_webhooks_are_listed_by_state(tmp_path: Path, open_page: OpenPage) -> None:
    hook = f"http://127.0.0.1:{free_port()}/"
    settings = {"ADMIN_TOKEN": TOKEN, "WEBHOOK_URL": hook, "WEBHOOK_SECRET": f"whsec_{'c2VjcmV0' * 6}"}
    async with served(tmp_path, **settings) as api:
        await (await sign_in(api.address)).aclose()
        page = await open_page(api, "/chat/admin")
        await page.tab.get_by_label("Operator's token").fill(TOKEN)
        await page.button("Sign in").click()
        rows = page.tab.get_by_role("group", name="Webhook deliveries").locator("tbody tr")
        await expect(rows).to_contain_text("account.created")
        await expect(rows).to_contain_text("pending")
        await page.tab.get_by_label("State").select_option("failed")
        await expect(page.tab.get_by_text("No deliveries.")).to_be_visible()
        await page.tab.close()
