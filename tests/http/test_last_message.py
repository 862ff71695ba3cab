"""The newest message of each chatroom in the list, whose page is cached."""

from typing import Any

import httpx

from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, address

HIT, MISS = "parley; hit", "parley; fwd=miss"


class List:
    """The list as its owner sees it; every reading compares it with the chatrooms themselves."""

    def __init__(self, owner: Person) -> None:
        self._owner = owner
        self._etag = ""

    async def changed(self) -> list[str | None]:
        """The last messages now, after a write that must have changed the page."""
        answer = await self._read()
        assert answer.headers["cache-status"] == MISS
        changed = await self._owner.get("/chatroom", headers={"If-None-Match": self._etag})
        assert changed.status_code == 200
        self._etag = changed.headers["etag"]
        return [room["last_message"] for room in answer.json()["items"]]

    async def is_cached(self) -> bool:
        return (await self._read()).headers["cache-status"] == HIT

    async def _read(self) -> httpx.Response:
        answer = await self._owner.get("/chatroom")
        for item in answer.json()["items"]:
            room: dict[str, Any] = (await self._owner.get(f"/chatroom/{item['id']}")).json()
            assert room.items() >= item.items()
        return answer


async def test_the_list_is_right_after_every_write(mira: Person, model: ScriptedModel, room: str) -> None:
    listed, gate = List(mira), Gate()
    model.on("Where?", "Here", gate, " and there")
    assert await listed.changed() == [None]
    assert await listed.is_cached()

    asked = await mira.ask(room, "Where?")
    assert await listed.changed() == ["Where?"]
    await gate.reached()
    assert not await listed.is_cached()
    gate.open()
    first = await mira.ended(asked["reply"])
    assert await listed.changed() == ["Here and there"]
    assert await listed.is_cached()

    edited = (await mira.post(f"{address(asked['message'])}/edit", json={"content": "Whither?"})).json()
    await mira.ended(edited["reply"])
    assert await listed.changed() == ["You said: Whither?"]
    assert (await mira.put(f"/chatroom/{room}/head", json={"message_id": first["id"]})).is_success
    assert await listed.changed() == ["Here and there"]
    again = (await mira.post(f"{address(edited['reply'])}/regenerate")).json()
    await mira.ended(again["reply"])
    assert await listed.changed() == ["You said: Whither?"]

    other = await mira.new_room("Another")
    assert await listed.changed() == [None, "You said: Whither?"]
    await mira.delete(f"/chatroom/{other}")
    assert (await mira.get("/chatroom")).json()["items"][0]["last_message"] == "You said: Whither?"


async def test_a_stop_shows_the_text_so_far_or_the_question(mira: Person, model: ScriptedModel, room: str) -> None:
    listed, early, late = List(mira), Gate(), Gate()
    model.on("One", early)
    # A model is sent the question that has no answer together with the next one.
    model.on("One\n\nTwo", "Some text", late)
    for question, gate, expected in (("One", early, "One"), ("Two", late, "Some text")):
        asked = await mira.ask(room, question)
        await gate.reached()
        assert await listed.changed() == [question]
        assert (await mira.post(f"{address(asked['reply'])}/stop")).is_success
        assert (await mira.ended(asked["reply"]))["status"] == "stopped"
        assert (await mira.get("/chatroom")).json()["items"][0]["last_message"] == expected
        assert await listed.is_cached()


async def test_only_200_characters_are_shown(mira: Person, model: ScriptedModel, room: str) -> None:
    model.on("How long?", "日" * 201)
    await mira.hear(room, "How long?")
    assert (await mira.get("/chatroom")).json()["items"][0]["last_message"] == "日" * 200
    [found] = (await mira.get("/search", params={"q": "How"})).json()["items"]
    assert found["chatroom"]["last_message"] == "日" * 200
    exported = (await mira.get("/user/me/export")).json()["chatrooms"]
    assert [each["last_message"] for each in exported] == ["日" * 200]
