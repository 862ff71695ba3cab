"""What a user does on the chat page, in a real browser."""

import re
from pathlib import Path

import httpx
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage
from tests.e2e.process import Served, served

PASSWORD = "correct horse battery staple"


async def test_from_the_address_to_an_answer_and_out_again(api: Served, open_page: OpenPage) -> None:
    page = await open_page(api, "/")
    await page.sign_in()
    reply = await page.say("Where is it **warm** in May?")
    await expect(reply.locator(".body")).to_have_text("You said: Where is it warm in May?")
    await expect(reply.locator("strong")).to_have_text("warm")
    await expect(page.own.locator(".body")).to_have_text("Where is it **warm** in May?")
    await expect(page.rooms).to_have_count(1)
    await expect(page.tab.get_by_text("999 of 1,000 messages left today")).to_be_visible()

    token = await page.tab.evaluate("JSON.parse(localStorage['parley.session']).access")
    await page.button("Sign out").click()
    await page.tab.get_by_label("Email or mobile number").wait_for()
    assert await page.tab.evaluate("localStorage['parley.session'] ?? null") is None
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.get(f"{api.address}/user/me")).status_code == 401


async def test_a_password_set_on_the_page_signs_in(page: ChatPage) -> None:
    await page.account.click()
    await page.tab.get_by_label("New password").fill(PASSWORD)
    await page.button("Set password").click()
    await page.tab.get_by_text("The password is set.").wait_for()
    await page.button("Close").click()
    await page.button("Sign out").click()

    page.failures = {401}
    await page.button("Use a password").click()
    await page.tab.get_by_label("Email or mobile number").fill(page.identity)
    await page.tab.get_by_label("Password").fill("another one")
    await page.button("Sign in").click()
    await expect(page.tab.get_by_role("alert")).to_contain_text("password")
    await page.tab.get_by_label("Password").fill(PASSWORD)
    await page.button("Sign in").click()
    await page.message.wait_for()


async def test_a_wrong_code_is_said_and_the_right_one_still_works(api: Served, open_page: OpenPage) -> None:
    page = await open_page(api)
    page.failures = {401}
    await page.tab.get_by_label("Email or mobile number").fill(page.identity)
    await page.button("Sign in").click()
    code = page.tab.get_by_label("Code")
    right = await code.input_value()
    await code.fill("000000" if right != "000000" else "111111")
    await page.button("Sign in").click()
    await expect(page.tab.get_by_role("alert")).to_contain_text("code")
    await expect(code).to_be_focused()
    await code.fill(right)
    await page.button("Sign in").click()
    await page.message.wait_for()


async def test_enter_sends_and_shift_enter_makes_a_line(page: ChatPage) -> None:
    await page.message.press_sequentially("one")
    await page.message.press("Shift+Enter")
    await page.message.press_sequentially("two")
    await page.message.press("Enter")
    await expect(page.own.locator(".body")).to_have_text("one\ntwo", use_inner_text=True)
    await expect(page.message).to_be_focused()


async def test_what_was_not_sent_is_still_there_after_a_reload(page: ChatPage) -> None:
    await page.message.fill("half a thought")
    await page.tab.reload()
    await expect(page.message).to_have_value("half a thought")
    await page.say("a whole one")
    await page.tab.reload()
    await expect(page.message).to_have_value("")


async def test_stop_keeps_the_text_so_far(tmp_path: Path, open_page: OpenPage) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0.2") as api:
        page = await open_page(api)
        await page.sign_in()
        await page.send(" ".join(f"word{n}" for n in range(200)))
        await expect(page.replies.last.locator(".body")).to_contain_text("word2")
        await page.button("Stop").click()
        reply = await page.ended()
        await expect(reply.locator(".ending")).to_have_text("Stopped.")
        await expect(reply.locator(".body")).to_contain_text("word2")
        await expect(reply.locator(".body")).not_to_contain_text("word199")
        await expect(page.button("Stop")).to_be_hidden()
        await page.tab.close()


async def test_new_chats_are_rooms_of_their_own(page: ChatPage) -> None:
    await page.say("first")
    await page.button("New chat").click()
    await expect(page.own).to_have_count(0)
    await page.say("second")
    await expect(page.rooms).to_have_count(2)
    await page.rooms.nth(1).click()
    await expect(page.own.locator(".body")).to_have_text("first")
    await page.tab.go_back()
    await expect(page.own.locator(".body")).to_have_text("second")
    await page.tab.reload()
    await expect(page.own.locator(".body")).to_have_text("second")


async def test_what_another_client_did_is_shown_after_a_reload(
    api: Served, page: ChatPage, elsewhere: httpx.AsyncClient
) -> None:
    room = (await elsewhere.post("/chatroom", json={"name": "From elsewhere"})).json()["id"]
    await page.tab.reload()
    await expect(page.rooms).to_have_text(re.compile("From elsewhere"))
    await page.rooms.click()
    await expect(page.tab).to_have_url(f"{api.address}/chat#/{room}")
    await expect(page.tab.get_by_role("heading", level=1)).to_have_text("From elsewhere")
