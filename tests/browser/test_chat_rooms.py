"""The list of rooms on the chat page, and what is done with a room."""

import asyncio
import re

import httpx
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import OpenPage
from tests.e2e.process import PATIENCE, Served, ended, new_room, say


async def answer(page: ChatPage, text: str, action: str) -> None:
    """Fill in the field of the dialog, and press its button."""
    await page.dialog.get_by_role("textbox").fill(text)
    await page.button(action, page.dialog).click()
    await page.dialog.wait_for(state="detached")


async def is_found(client: httpx.AsyncClient, word: str) -> None:
    """Wait until the search has the word: the index follows the messages, and the page asks once."""
    async with asyncio.timeout(PATIENCE):
        while not (await client.get("/search", params={"q": word})).json()["items"]:
            await asyncio.sleep(0.05)


async def has_instructions(client: httpx.AsyncClient, instructions: str | None) -> None:
    """Wait until the only room has them: the dialog is gone before they are saved."""
    [room] = (await client.get("/chatroom")).json()["items"]
    async with asyncio.timeout(PATIENCE):
        while (await client.get(f"/chatroom/{room['id']}")).json()["instructions"] != instructions:
            await asyncio.sleep(0.05)


async def test_rename_pin_and_archive(page: ChatPage) -> None:
    for text in ("first", "second"):
        await page.button("New chat").click()
        await page.say(text)
    await page.rooms.nth(1).click()
    await page.button("Rename").click()
    await answer(page, "Holiday plans", "Rename")
    await expect(page.tab.get_by_role("heading", level=1)).to_have_text("Holiday plans")
    await expect(page.rooms.nth(1)).to_contain_text("Holiday plans")

    await page.button("Pin").click()
    await expect(page.rooms.first).to_contain_text("Holiday plans")
    await expect(page.rooms.first).to_contain_text("Pinned")
    await page.button("Unpin").click()
    await expect(page.rooms.nth(1)).to_contain_text("Holiday plans")

    await page.button("Archive").click()
    await expect(page.rooms).to_have_count(1)
    await page.button("Archived chats").click()
    await expect(page.rooms).to_have_text(re.compile("Holiday plans"))
    await page.button("Unarchive").click()
    await expect(page.rooms).to_have_count(0)
    await page.button("Archived chats").click()
    await expect(page.rooms).to_have_count(2)


async def test_a_room_shows_its_title_and_its_last_message(page: ChatPage) -> None:
    await page.say("Where is it warm in May?")
    await expect(page.rooms.locator(".name")).to_have_text("Where is it warm in May?")
    await expect(page.rooms.locator(".last")).to_have_text("You said: Where is it warm in May?")
    await expect(page.tab.get_by_role("heading", level=1)).to_have_text("Where is it warm in May?")


async def test_a_room_is_deleted_after_a_second_question(page: ChatPage) -> None:
    await page.say("first")
    await page.button("Delete").click()
    await page.button("Cancel", page.dialog).click()
    await expect(page.rooms).to_have_count(1)
    await page.button("Delete").click()
    await page.button("Delete", page.dialog).click()
    await expect(page.rooms).to_have_count(0)
    await expect(page.own).to_have_count(0)
    await page.say("second")
    await expect(page.rooms).to_have_count(1)


async def test_a_room_is_shared_and_no_longer(api: Served, page: ChatPage, open_page: OpenPage) -> None:
    await page.say("Where is it warm in May?")
    await page.button("Share").click()
    await page.button("Share", page.dialog).click()
    address = await page.dialog.get_by_label("Address").input_value()
    reader = await open_page(api, address.removeprefix(api.address))
    await expect(reader.tab.get_by_text("You said: Where is it warm in May?")).to_be_visible()
    await page.button("Stop sharing").click()
    await expect(page.tab.get_by_text("The shared copy is gone.")).to_be_visible()
    reader.failures = {404}
    await reader.tab.reload()
    await expect(reader.tab.get_by_text("You said:")).to_have_count(0)


async def test_instructions_stay_with_the_room(elsewhere: httpx.AsyncClient, page: ChatPage) -> None:
    await page.say("first")
    await page.button("Instructions").click()
    await answer(page, "Answer in one word.", "Save")
    await has_instructions(elsewhere, "Answer in one word.")
    await page.tab.reload()
    await expect(page.own).to_have_count(1)
    await page.button("Instructions").click()
    await expect(page.dialog.get_by_role("textbox")).to_have_value("Answer in one word.")
    await answer(page, "", "Save")
    await has_instructions(elsewhere, None)


async def test_the_chosen_model_writes(page: ChatPage) -> None:
    await page.tab.get_by_label("Model").select_option("offline/think")
    reply = await page.say("first")
    await expect(reply.locator(".facts")).to_have_text("offline/think")
    await page.tab.reload()
    await expect(page.tab.get_by_label("Model")).to_have_value("offline/think")
    await page.tab.get_by_label("Model").select_option("")
    reply = await page.say("second")
    await expect(reply.locator(".facts")).to_have_text("offline/echo")


async def test_search_marks_words_and_leads_to_the_message_of_any_branch(
    page: ChatPage, elsewhere: httpx.AsyncClient
) -> None:
    await page.say("Where are there otters?")
    await page.button("Edit").click()
    await page.own.get_by_label("Message").fill("Where are there badgers?")
    await page.button("Send", page.own).click()
    await expect(page.replies.locator(".body")).to_have_text("You said: Where are there badgers?")
    await page.ended()
    await page.button("New chat").click()
    await page.say("Something else 😀")

    await is_found(elsewhere, "otters")
    await page.tab.get_by_role("searchbox", name="Search").fill("OTTER")
    await expect(page.rooms.locator(".snippet mark").first).to_have_text("otters")
    await page.rooms.filter(has_text="You said").first.click()
    await expect(page.own.locator(".body")).to_have_text("Where are there otters?")
    await expect(page.tab.locator(".revealed")).to_contain_text("otters")

    await page.tab.get_by_role("searchbox", name="Search").fill("no such words")
    await expect(page.tab.get_by_text("Nothing found.")).to_be_visible()
    await page.tab.get_by_role("searchbox", name="Search").fill("")
    await expect(page.rooms).to_have_count(2)


async def test_a_message_found_far_back_is_shown_with_what_was_before_and_after(
    api: Served, page: ChatPage, elsewhere: httpx.AsyncClient
) -> None:
    room = await new_room(elsewhere)
    for number in range(110):
        text = "A needle" if number == 30 else f"Straw {number}"
        await ended(elsewhere, (await say(elsewhere, room, text))["reply"])
    await is_found(elsewhere, "needle")
    await page.tab.get_by_role("searchbox", name="Search").fill("needle")
    await page.rooms.filter(has_text="A needle").first.click()
    await expect(page.tab.locator(".revealed")).to_contain_text("needle")
    await expect(page.tab.locator(".revealed")).to_be_in_viewport()
    await page.tab.get_by_role("region", name="Messages").evaluate("node => { node.scrollTop = 0; }")
    await expect(page.own.filter(has_text="Straw 0")).to_be_attached()
    await page.tab.get_by_role("region", name="Messages").evaluate("node => { node.scrollTop = node.scrollHeight; }")
    await expect(page.own.filter(has_text="Straw 109")).to_be_in_viewport()


async def test_a_list_of_many_rooms_is_read_page_by_page(elsewhere: httpx.AsyncClient, page: ChatPage) -> None:
    for number in range(120):
        await new_room(elsewhere, name=f"Room {number}")
    await page.tab.reload()
    await expect(page.rooms).to_have_count(50)
    for count in (100, 120):
        await page.button("More chats").click()
        await expect(page.rooms).to_have_count(count)
    await expect(page.button("More chats")).to_be_hidden()


async def test_a_room_that_is_gone_leads_to_a_new_chat(api: Served, page: ChatPage) -> None:
    page.failures = {404, 400}
    for address in ("00000000-0000-7000-8000-000000000000", "nonsense"):
        await page.tab.goto(f"{api.address}/chat#/{address}")
        await expect(page.tab.get_by_text("What is on your mind?")).to_be_visible()
    await page.say("first")


async def test_two_tabs_keep_in_step(api: Served, page: ChatPage, open_page: OpenPage) -> None:
    other = await open_page(api)
    await page.say("first")
    await other.rooms.click()
    await expect(other.own.locator(".body")).to_have_text("first")
    await page.say("second")
    await expect(other.replies.last.locator(".body")).to_have_text("You said: second")
    await other.button("Rename").click()
    await answer(other, "Named there", "Rename")
    await expect(page.tab.get_by_role("heading", level=1)).to_have_text("Named there")
    await expect(page.rooms).to_contain_text("Named there")
    await other.button("Delete").click()
    page.failures = {404}
    await other.button("Delete", other.dialog).click()
    await expect(page.rooms).to_have_count(0)
    await expect(page.own).to_have_count(0)
    await other.button("Sign out").click()
    await page.tab.get_by_label("Email or mobile number").wait_for()
