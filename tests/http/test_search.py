"""Finding messages and chatrooms."""

from typing import Any

import pytest

from tests.http.answers import refused
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site


async def search(person: Person, q: str, **parameters: Any) -> dict[str, Any]:
    answer = await person.get("/search", params={"q": q, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_messages_replies_and_rooms_are_found_at_once(mira: Person, model: ScriptedModel) -> None:
    model.on("Where to?", "Crete is warm in May.")
    room = await mira.new_room("Crete or Malta")
    reply = await mira.hear(room, "Where to?")

    by_name, by_reply = (await search(mira, "CRETE"))["items"]

    [listed] = (await mira.get("/chatroom")).json()["items"]
    assert by_name == {"chatroom": listed, "message": None, "snippet": "Crete or Malta", "highlights": [[0, 5]]}
    assert by_reply == {
        "chatroom": listed, "message": reply, "snippet": "Crete is warm in May.", "highlights": [[0, 5]]
    }  # fmt: skip
    [by_question] = (await search(mira, "wher"))["items"]
    assert by_question["message"]["content"] == "Where to?"


async def test_a_reply_is_found_when_it_has_ended(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Where to?", "Crete ", gate, "is warm.")
    room = await mira.new_room()
    reply = (await mira.ask(room, "Where to?"))["reply"]
    await gate.reached()
    assert (await search(mira, "crete"))["items"] == []
    gate.open()
    await mira.ended(reply)
    assert [item["message"]["id"] for item in (await search(mira, "crete"))["items"]] == [reply["id"]]


async def test_what_is_renamed_deleted_or_erased_is_found_no_more(mira: Person) -> None:
    room = await mira.new_room("Holiday plans")
    await mira.hear(room, "A holiday")
    assert len((await search(mira, "holiday"))["items"]) == 2
    await mira.patch(f"/chatroom/{room}", json={"name": "Winter"})
    assert len((await search(mira, "holiday"))["items"]) == 1
    await mira.delete(f"/chatroom/{room}")
    assert await search(mira, "holiday") == {"items": [], "next_cursor": None}


async def test_nothing_of_another_account_is_found(mira: Person, ravi: Person) -> None:
    await mira.ask(await mira.new_room("A secret room"), "A secret message")
    assert await search(ravi, "secret") == {"items": [], "next_cursor": None}


async def test_pages_join(mira: Person) -> None:
    room = await mira.new_room()
    for number in range(5):
        await mira.hear(room, f"An island {number}")
    whole = (await search(mira, "island"))["items"]
    assert len(whole) == 5

    walked, cursor = [], None
    while True:
        page = await search(mira, "island", limit=2, **({} if cursor is None else {"cursor": cursor}))
        walked += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert walked == whole


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"q": "a\x00"}, "q"),
        ({"q": "a", "limit": 0}, "limit"),
        ({"q": "a", "cursor": "x"}, "cursor"),
        ({"q": "a", "cursor": "MQ"}, "cursor"),
    ],
)
async def test_a_wrong_query_is_refused(mira: Person, parameters: dict[str, Any], field: str) -> None:
    refused(await mira.get("/search", params=parameters), 400, "invalid_input", field)


async def test_search_needs_a_token(site: Site) -> None:
    refused(await site.visitor().get("/search", params={"q": "a"}), 401, "token_invalid")
