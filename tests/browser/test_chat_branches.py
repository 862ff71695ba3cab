"""Versions of messages and replies on the chat page."""

import httpx
from playwright.async_api import BrowserContext, expect

from tests.browser.chat_page import ChatPage


async def test_edit_makes_another_version_and_arrows_lead_between_them(page: ChatPage) -> None:
    await page.say("one")
    await page.say("two")
    await page.button("Edit", page.own.first).click()
    await page.own.first.get_by_label("Message").fill("another")
    await page.button("Send", page.own.first).click()
    await expect(page.replies.locator(".body")).to_have_text(["You said: another"])
    await page.ended()
    await expect(page.own.locator(".branches")).to_contain_text("2 / 2")

    await page.button("Previous version").click()
    await expect(page.own.locator(".body")).to_have_text(["one", "two"])
    await expect(page.replies.locator(".body")).to_have_text(["You said: one", "You said: two"])
    await expect(page.own.first.locator(".branches")).to_contain_text("1 / 2")
    await page.say("three")
    await page.tab.reload()
    await expect(page.own.locator(".body")).to_have_text(["one", "two", "three"])
    await page.button("Next version").click()
    await expect(page.own.locator(".body")).to_have_text(["another"])


async def test_an_edit_can_be_given_up(page: ChatPage) -> None:
    await page.say("one")
    for give_up in (page.button("Cancel").click, lambda: page.tab.keyboard.press("Escape")):
        await page.button("Edit").click()
        await page.own.get_by_label("Message").fill("another")
        await give_up()
        await expect(page.own.locator(".body")).to_have_text("one")


async def test_an_edit_that_is_refused_is_not_lost(page: ChatPage) -> None:
    await page.say("one")
    page.failures = {429}
    refusal = {"code": "quota_exceeded", "detail": "The day's messages are used up."}
    await page.tab.route("**/edit", lambda route: route.fulfill(status=429, json=refusal))
    await page.button("Edit").click()
    await page.own.get_by_label("Message").fill("another")
    await page.button("Send", page.own).click()
    await expect(page.tab.locator(".notice.error")).to_have_text("The day's messages are used up.")
    await expect(page.own.get_by_label("Message")).to_have_value("another")
    await page.button("Cancel").click()
    await expect(page.own.locator(".body")).to_have_text("one")


async def test_regenerate_makes_another_reply(page: ChatPage) -> None:
    await page.say("one")
    await page.button("Regenerate").click()
    await expect(page.replies.locator(".branches")).to_contain_text("2 / 2")
    await expect(page.replies).to_have_count(1)
    await expect(page.own).to_have_count(1)
    await page.say("two")
    await page.button("Previous version").click()
    await expect(page.replies).to_have_count(1)


async def test_feedback_is_given_and_withdrawn(elsewhere: httpx.AsyncClient, page: ChatPage) -> None:

    async def given() -> tuple[str | None, str | None]:
        [room] = (await elsewhere.get("/chatroom")).json()["items"]
        feedback = (await elsewhere.get(f"/chatroom/{room['id']}/messages")).json()["items"][1]["feedback"]
        return (feedback["rating"], feedback["comment"]) if feedback else (None, None)

    await page.say("one")
    await page.button("Good answer").click()
    await expect(page.button("Good answer")).to_have_attribute("aria-pressed", "true")
    assert await given() == ("up", None)

    bad = page.button("Bad answer")
    await bad.click()
    question = page.tab.get_by_role("dialog", name="What was wrong?")
    await question.wait_for()
    assert await given() == ("down", None)
    await question.get_by_label("Comment").fill("May is cold there.")
    async with page.tab.expect_response("**/feedback"):
        await page.button("Send comment").click()
    assert await given() == ("down", "May is cold there.")
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await expect(bad).to_be_focused()

    async with page.tab.expect_response("**/feedback"):
        await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "false")
    assert await given() == (None, None)
    await expect(question).to_have_count(0)


async def test_an_answer_and_its_code_are_copied(page: ChatPage, context: BrowserContext) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    reply = await page.say("text\n\n```python\nprint(1)\n```")
    await page.button("Copy code", reply).click()
    await expect(page.button("Copied", reply)).to_be_visible()
    assert await page.tab.evaluate("navigator.clipboard.readText()") == "print(1)\n"
    await page.button("Copy", reply).click()
    assert await page.tab.evaluate("navigator.clipboard.readText()") == "You said: text\n\n```python\nprint(1)\n```"
