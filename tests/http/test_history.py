"""Reading the messages of a room in pages, and a single message."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.http.answers import refused
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, address


async def talk(mira: Person, room: str, exchanges: int) -> list[dict[str, Any]]:
    """Post `count` messages; returns them and their replies in order."""
    said = []
    for number in range(exchanges):
        accepted = await mira.ask(room, f"Question {number}")
        said += [accepted["message"], await mira.ended(accepted["reply"])]
    return said


async def page(mira: Person, room: str, **parameters: Any) -> tuple[list[dict[str, Any]], str | None]:
    answer = await mira.get(f"/chatroom/{room}/messages", params=parameters)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"items", "next_cursor"}
    return answer.json()["items"], answer.json()["next_cursor"]


async def test_a_room_without_messages_has_an_empty_page(mira: Person, room: str) -> None:
    assert await page(mira, room) == ([], None)


PAGES = [(1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2]), (6, [6]), (100, [6])]


async def test_the_newest_page_comes_first_and_each_is_oldest_first(
    mira: Person, room: str, subtests: pytest.Subtests
) -> None:
    said = await talk(mira, room, 3)
    for limit, sizes in PAGES:
        with subtests.test(limit=limit):
            found, cursor = await page(mira, room, limit=limit)
            pages = [found]
            while cursor is not None:
                items, cursor = await page(mira, room, limit=limit, cursor=cursor)
                pages.append(items)
                assert len(pages) < 100
            assert [len(items) for items in pages] == sizes
            assert [message for items in reversed(pages) for message in items] == said


async def test_a_page_has_50_messages_by_default(mira: Person, room: str) -> None:
    said = await talk(mira, room, 26)
    newest, cursor = await page(mira, room)
    assert newest == said[2:]
    assert await page(mira, room, cursor=cursor) == (said[:2], None)


async def test_a_message_between_two_pages_causes_no_gap_or_repetition(mira: Person, room: str) -> None:
    said = await talk(mira, room, 2)
    _, cursor = await page(mira, room, limit=2)
    await talk(mira, room, 2)
    assert await page(mira, room, limit=2, cursor=cursor) == (said[:2], None)


async def test_a_single_message_can_be_read(mira: Person, room: str) -> None:
    for message in await talk(mira, room, 1):
        answer = await mira.get(address(message))
        assert answer.status_code == 200
        assert answer.json() == message


async def test_an_unknown_message_is_not_found(mira: Person, room: str) -> None:
    refused(await mira.get(f"/chatroom/{room}/messages/{uuid4()}"), 404, "message_not_found")
    refused(await mira.get(f"/chatroom/{uuid4()}/messages/{uuid4()}"), 404, "message_not_found")
    refused(await mira.get(f"/chatroom/{uuid4()}/messages"), 404, "chatroom_not_found")


async def test_prefer_wait_answers_when_the_reply_has_ended(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate, "two")
    reply = (await mira.ask(room))["reply"]
    await gate.reached()
    waiting = asyncio.create_task(mira.get(address(reply), headers={"Prefer": "wait=20"}))
    looked = await mira.get(address(reply), headers={"Prefer": "wait=0"})
    assert (looked.json()["status"], looked.headers["preference-applied"]) == ("generating", "wait=0")
    assert not waiting.done()
    gate.open()
    answer = await waiting
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    assert (answer.json()["status"], answer.json()["content"]) == ("completed", "one two")


WAITS = [
    ("wait=5", "wait=5"),
    ("wait=30", "wait=30"),
    ("wait=31", "wait=30"),
    ("WAIT = 5", "wait=5"),
    ("respond-async, wait=5", "wait=5"),
    ('wait="5"; foo=bar', "wait=5"),
    ("wait=-1", None),
    ("wait=soon", None),
    ("wait=" + "9" * 5_000, None),
    ("return=minimal", None),
    ("", None),
]


async def test_the_applied_wait_is_returned(mira: Person, room: str, subtests: pytest.Subtests) -> None:
    for prefer, applied in WAITS:
        with subtests.test(prefer=prefer[:40]):
            reply = await mira.hear(room)
            answer = await mira.get(address(reply), headers={"Prefer": prefer})
            assert answer.json() == reply
            assert answer.headers.get("preference-applied") == applied


async def test_there_is_no_wait_for_a_users_message(mira: Person, room: str, model: ScriptedModel) -> None:
    model.on("Hello", Gate())
    message = (await mira.ask(room))["message"]
    answer = await mira.get(address(message), headers={"Prefer": "wait=30"})
    assert answer.json() == message
