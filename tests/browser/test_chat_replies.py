"""Replies on the chat page: reasoning, failures, interruptions and reloads."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, FloatRect, Locator, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage
from tests.e2e.process import Served, model_server, sign_in

# Of the scripted model: so many words at this pace.
SLOW = "[[words 60]] [[drip 0.1]]"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """With the scripted model of tests/servers/model_server.py."""
    async with model_server() as model:
        settings = {
            "OPENAI_BASE_URL": f"{model}/v1",
            "OPENAI_MODELS": "scripted",
            "REPLY_LEASE_SECONDS": "2",
        }
        running = Served(tmp_path_factory.mktemp("api"), settings)
        yield await running.start()
        await running.kill()


async def box(element: Locator) -> FloatRect:
    found = await element.bounding_box()
    assert found is not None
    return found


async def test_reasoning_is_folded_away(page: ChatPage) -> None:
    await page.send("[[think 30]] [[drip 0.1]] Hello")
    thoughts = page.replies.locator(".reasoning")
    await expect(thoughts.locator("summary")).to_have_text("Thinking…")
    await expect(thoughts.locator("div").first).to_be_hidden()
    await thoughts.locator("summary").click()
    await expect(thoughts).to_contain_text("thought3")
    reply = await page.ended()
    await expect(thoughts.locator("summary")).to_have_text("Reasoning")
    await expect(reply.locator(".body > .markdown")).to_contain_text("Answer to:")
    await expect(reply.locator(".body > .markdown")).not_to_contain_text("thought3")


@pytest.mark.parametrize(
    ("directive", "words"),
    [("[[length]]", "limit of length"), ("[[blocked-answer]]", "filter")],
)
async def test_an_unusual_end_is_said_in_words(page: ChatPage, directive: str, words: str) -> None:
    reply = await page.say(f"{directive} Hello there, model")
    await expect(reply.locator(".ending")).to_contain_text(words)


async def test_a_failure_is_said_and_tried_again(page: ChatPage) -> None:
    await page.say("[[first 1 status 400]] Hello")
    await expect(page.replies.locator(".ending")).to_contain_text("status 400")
    for nothing in ("Copy", "Good answer", "Bad answer"):
        await expect(page.button(nothing, page.replies)).to_have_count(0)
    await page.button("Try again").click()
    await expect(page.replies.locator(".body")).to_contain_text("Answer to:")
    await expect(page.replies).to_have_count(1)


async def test_a_reload_in_mid_answer_goes_on_where_it_was(page: ChatPage) -> None:
    await page.send(SLOW)
    await expect(page.replies.locator(".body")).to_contain_text("word3 ")
    await page.tab.reload()
    await expect(page.replies.locator(".body")).to_contain_text("word8 ")
    await expect(page.button("Stop")).to_be_visible()
    reply = await page.ended()
    await expect(reply.locator(".body")).to_have_text(" ".join(f"word{n}" for n in range(60)))


async def test_the_server_killed_in_mid_answer_is_said_and_the_answer_comes(api: Served, page: ChatPage) -> None:
    page.may_lose_the_server = True
    await page.send(SLOW)
    await expect(page.replies.locator(".body")).to_contain_text("word3 ")
    await api.kill()
    await expect(page.tab.get_by_text("The server cannot be reached.")).to_be_visible()
    await api.start()
    await expect(page.tab.get_by_text("The server cannot be reached.")).to_be_hidden()
    reply = await page.ended()
    await expect(reply.locator(".body")).to_have_text(" ".join(f"word{n}" for n in range(60)))


async def test_offline_is_said_and_what_was_sent_meanwhile_arrives(page: ChatPage, context: BrowserContext) -> None:
    page.may_lose_the_server = True
    await page.say("one")
    await context.set_offline(True)
    await page.message.fill("two")
    await page.button("Send").click()
    banner = page.tab.get_by_text("The server cannot be reached.")
    await expect(banner).to_be_visible()
    # It covers nothing.
    await page.button("Rename").click(trial=True)
    assert (await box(banner))["height"] <= (await box(page.tab.get_by_role("navigation")))["y"]
    await context.set_offline(False)
    await expect(page.own.locator(".body")).to_have_text(["one", "two"])
    await page.ended()
    await expect(page.tab.get_by_text("The server cannot be reached.")).to_be_hidden()


async def test_a_busy_server_is_said_and_asked_again(page: ChatPage) -> None:
    page.failures = {503}
    is_busy = True

    async def busy(route) -> None:
        if is_busy:
            await route.fulfill(status=503, json={"code": "overloaded", "detail": "Too much is going on."})
        else:
            await route.continue_()

    await page.tab.route("**/chatroom*/**", busy)
    await page.tab.route("**/health/live", busy)
    await page.message.fill("one")
    await page.button("Send").click()
    await expect(page.tab.get_by_text("The server is busy.")).to_be_visible()
    is_busy = False
    await page.ended()
    await expect(page.tab.get_by_text("The server is busy.")).to_be_hidden()
    await expect(page.own).to_have_count(1)


async def test_a_session_ended_from_elsewhere_leads_to_the_sign_in(api: Served, page: ChatPage) -> None:
    page.failures = {401}
    await page.send(SLOW)
    await expect(page.replies.locator(".body")).to_contain_text("word1 ")
    client = await sign_in(api.address, page.identity)
    try:
        for session in (await client.get("/auth/sessions")).json()["items"]:
            if not session["current"]:
                await client.delete(f"/auth/sessions/{session['id']}")
    finally:
        await client.aclose()
    await page.tab.get_by_label("Email or mobile number").wait_for()


async def test_tokens_are_exchanged_before_they_end_and_both_tabs_stay_signed_in(
    api: Served, page: ChatPage, open_page: OpenPage
) -> None:
    other = await open_page(api)
    await other.message.wait_for()
    exchanges: list[str] = []
    for each in (page, other):
        each.tab.on("request", lambda request: exchanges.append(request.url) if "refresh" in request.url else None)
    before = await page.tab.evaluate("localStorage['parley.session']")
    soon = "const s = JSON.parse(localStorage['parley.session']); s.ends = Date.now() + 30000;"
    await page.tab.evaluate(f"() => {{ {soon} localStorage['parley.session'] = JSON.stringify(s); }}")
    await asyncio.gather(page.send("one"), other.send("two"))
    await page.ended()
    await other.ended()
    # The second tab may read the old tokens a moment longer.
    assert len(exchanges) in {1, 2}
    assert await page.tab.evaluate("localStorage['parley.session']") != before


async def test_a_reply_under_way_elsewhere_is_followed(api: Served, page: ChatPage) -> None:
    client = await sign_in(api.address, page.identity)
    room = (await client.post("/chatroom", json={"name": "Room"})).json()["id"]
    await client.post(f"/chatroom/{room}/message", json={"content": SLOW})
    await client.aclose()
    await page.tab.goto(f"{api.address}/chat#/{room}")
    await expect(page.replies.locator(".body")).to_contain_text("word3 ")
    await page.button("Stop").click()
    await page.ended()


async def test_replies_of_a_room_are_written_one_after_another(page: ChatPage) -> None:
    for number in range(4):
        await page.send(f"[[words 5]] [[drip 0.05]] {number}")
    await expect(page.button("Regenerate")).to_have_count(4)
    await expect(page.replies.locator(".body")).to_have_text(["word0 word1 word2 word3 word4"] * 4)
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{page.address}/health/ready")).status_code == 200
