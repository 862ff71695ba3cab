"""The account on the chat page: quota, plans, payments, usage, sessions, export and erasure."""

import asyncio
import json
from pathlib import Path

import httpx
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage
from tests.e2e.process import served, sign_in

PASSWORD = "correct horse battery staple"


async def test_at_the_end_of_the_quota_plans_are_shown_and_paid_for(tmp_path: Path, open_page: OpenPage) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0", BASIC_DAILY_LIMIT="1") as api:
        page = await open_page(api)
        await page.sign_in()
        await page.say("one")
        await expect(page.tab.get_by_text("No messages left today.")).to_be_visible()
        page.failures = {429}
        await page.message.fill("two")
        await page.button("Send").click()
        await expect(page.tab.locator(".notice.error")).to_be_visible()
        await expect(page.message).to_have_value("two")
        # The notice does not cover what is being written.
        await page.message.click(trial=True, position={"x": 20, "y": 10})

        await page.button("See plans").click()
        await page.dialog.get_by_role("button", name="Subscribe").click()
        await page.button("Cancel").click()
        await expect(page.tab.get_by_text("Nothing was paid.")).to_be_visible()
        await page.button("See plans").click()
        await page.dialog.get_by_role("button", name="Subscribe").click()
        await page.button("Pay").click()
        await expect(page.tab.get_by_text("Your plan is now pro.")).to_be_visible()
        await expect(page.tab).to_have_url(f"{api.address}/chat")
        await page.say("two")

        await page.account.click()
        await page.button("Manage subscription").click()
        await page.tab.get_by_role("link", name="Back").click()
        await page.message.wait_for()
        await page.tab.close()


async def test_tokens_that_are_used_up_are_said(page: ChatPage) -> None:
    usage = await page.tab.evaluate(
        """async () => {
             const { access } = JSON.parse(localStorage["parley.session"]);
             return (await fetch("/user/usage", { headers: { Authorization: `Bearer ${access}` } })).json();
           }"""
    )
    month = {"used": 100, "reserved": 0, "limit": 100, "remaining": 0, "resets_at": "2030-01-01T00:00:00Z"}
    day = month | {"limit": None, "remaining": None}
    quotas = usage | {"token_quota": {"day": day, "month": month}}
    await page.tab.route("**/user/usage", lambda route: route.fulfill(json=quotas))
    await page.tab.reload()
    await expect(page.tab.get_by_text("This month's tokens are used up.")).to_be_visible()
    await page.button("See plans").click()
    await expect(page.dialog.get_by_text("0 of 100 tokens left this month")).to_be_visible()


async def test_usage_and_name_are_shown(page: ChatPage) -> None:
    await page.say("one")
    await page.account.click()
    await expect(page.dialog.get_by_text("1 of 1,000 messages today.")).to_be_visible()
    await expect(page.dialog.get_by_role("img")).to_have_accessible_name(
        "Messages of the last 30 days: 1, at most 1 a day"
    )
    await expect(page.dialog.get_by_text("Messages: 1, at most 1 a day")).to_be_visible()
    await page.dialog.get_by_label("Name").fill("Mira")
    await page.button("Save name").click()
    await page.button("Close").click()
    await expect(page.account).to_contain_text("Mira")


async def test_another_session_is_ended(page: ChatPage) -> None:
    client = await sign_in(page.address, page.identity)
    try:
        await page.account.click()
        sessions = page.dialog.locator(".rows").filter(has_text="This one").locator("li")
        await expect(sessions).to_have_count(2)
        await sessions.get_by_role("button").click()
        await expect(sessions).to_have_count(1)
        assert (await client.get("/user/me")).status_code == 401
    finally:
        await client.aclose()


async def test_an_api_key_is_made_shown_once_and_revoked(page: ChatPage, context: BrowserContext) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.account.click()
    keys = page.dialog.locator("section").filter(has_text="API keys")
    await expect(keys.get_by_text("No keys yet.")).to_be_visible()
    await keys.get_by_label("What the key is for").fill("Nightly <b>summaries</b>")
    await keys.get_by_label("Expires").select_option("In 30 days")
    await page.button("Create key").click()
    shown = page.tab.get_by_role("dialog", name="The key «Nightly <b>summaries</b>»")
    await page.button("Copy key", shown).click()
    await expect(page.button("Copied", shown)).to_be_visible()
    secret = await page.tab.evaluate("navigator.clipboard.readText()")
    await expect(shown.get_by_role("textbox")).to_have_value(secret)
    await page.button("Done", shown).click()
    await expect(shown).to_have_count(0)
    await expect(keys.get_by_role("listitem")).to_contain_text("never used, expires")

    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=page.address, headers=headers) as program:
        assert (await program.get("/user/usage")).status_code == 200
        await page.button("Revoke Nightly <b>summaries</b>").click()
        question = page.tab.get_by_role("dialog", name="Revoke «Nightly <b>summaries</b>»?")
        await page.button("Cancel", question).click()
        await expect(question).to_have_count(0)
        assert (await program.get("/user/usage")).status_code == 200
        await page.button("Revoke Nightly <b>summaries</b>").click()
        await page.button("Revoke key", question).click()
        await expect(keys.get_by_text("No keys yet.")).to_be_visible()
        while (await program.get("/user/usage")).status_code != 401:
            await asyncio.sleep(0.05)


async def test_the_export_is_a_download(page: ChatPage) -> None:
    await page.say("one")
    await page.account.click()
    async with page.tab.expect_download() as downloading:
        await page.button("Export").click()
    download = await downloading.value
    exported = json.loads(Path(await download.path()).read_text(encoding="utf-8"))
    assert download.suggested_filename == "parley-export.json"
    assert exported["chatrooms"][0]["messages"][0]["content"] == "one"


async def test_erasure_asks_again_and_for_the_password(page: ChatPage) -> None:
    await page.account.click()
    await page.tab.get_by_label("New password").fill(PASSWORD)
    await page.button("Set password").click()
    await page.tab.get_by_text("The password is set.").wait_for()
    await page.button("Close").click()
    await page.button("Sign out").click()
    await page.button("Use a password").click()
    await page.tab.get_by_label("Email or mobile number").fill(page.identity)
    await page.tab.get_by_label("Password").fill(PASSWORD)
    await page.button("Sign in").click()

    page.failures = {400, 401}
    await page.account.click()
    await page.button("Delete account").click()
    question = page.tab.get_by_role("dialog", name="Delete your account?")
    await page.button("Delete account", question).click()
    proof = page.tab.get_by_role("dialog", name="Prove that it is you")
    await proof.get_by_label("Password").fill(PASSWORD)
    await page.button("Delete account", proof).click()
    await page.tab.get_by_label("Email or mobile number").wait_for()
    await expect(page.dialog).to_have_count(0)
    await page.sign_in()
    await expect(page.tab.get_by_text("No chats yet.")).to_be_visible()
