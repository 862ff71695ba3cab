"""Names of chatrooms that nobody named: the first words, then a title that a model writes."""

from typing import Any

import httpx
import pytest

from parley.core.chat.errors import ModelRefused
from parley.core.chat.model import Exchange, Status
from parley.core.chat.write_title import INSTRUCTIONS, conversation_of
from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, until

QUESTION = "Where is it warm in May?"
ANSWER = "You said: WhereisitwarminMay?"


def asks_for_title(question: str = QUESTION, answer: str = ANSWER) -> str:
    """What the model is asked after this exchange."""
    exchange = Exchange(2, question, answer, Status.COMPLETED)
    return conversation_of(exchange).turns[0].content


async def new_room(owner: Person, **fields: Any) -> str:
    made = await owner.post("/chatroom", json=fields)
    assert made.status_code == 201, made.text
    return made.json()["id"]


async def named(owner: Person, room: str) -> tuple[str, str]:
    """The name and where it is from, which the list shows too."""
    found = (await owner.get(f"/chatroom/{room}")).json()
    [listed] = [each for each in (await owner.get("/chatroom")).json()["items"] if each["id"] == room]
    assert found.items() >= listed.items()
    return found["name"], found["title_source"]


async def title_arrives(owner: Person, room: str, title: str) -> None:
    async def arrived() -> bool:
        return await named(owner, room) == (title, "auto")

    await until(arrived)


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"model": "scripted/two", "instructions": "Be brief."}}])
async def test_a_name_may_be_left_out(mira: Person, body: dict[str, Any]) -> None:
    made = await mira.post("/chatroom", **body)
    assert made.status_code == 201
    room = made.json()
    assert room.items() >= ({"name": "New chat", "title_source": "auto"} | body.get("json", {})).items()
    assert await named(mira, room["id"]) == ("New chat", "auto")


async def test_null_is_no_name_and_no_body(mira: Person) -> None:
    refused(await mira.post("/chatroom", json={"name": None}), 400, "invalid_input", "name")
    null = {"content": "null", "headers": {"Content-Type": "application/json"}}
    refused(await mira.post("/chatroom", **null), 400, "invalid_input", "body")


async def test_a_room_is_named_by_its_first_words_and_then_by_a_title(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on(asks_for_title(), gate, '"Warm places in May"')
    room = await new_room(mira)
    await mira.hear(room, QUESTION)
    await gate.reached()
    assert await named(mira, room) == (QUESTION, "auto")
    before = await mira.get("/chatroom")
    assert before.headers["cache-status"] == "parley; hit"
    used = (await mira.get("/user/usage")).json()

    gate.open()

    await title_arrives(mira, room, "Warm places in May")
    after = await mira.get("/chatroom", headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert model.instructions[-1] == INSTRUCTIONS
    now = (await mira.get("/user/usage")).json()
    assert (now["used"], used["used"]) == (1, 1)
    assert now["tokens"] == {
        "input": used["tokens"]["input"] + 1,
        "output": used["tokens"]["output"] + 7,
        "estimated": 0,
    }
    [found] = (await mira.get("/search", params={"q": "places"})).json()["items"]
    assert (found["chatroom"]["id"], found["message"]) == (room, None)
    [exported] = (await mira.get("/user/me/export")).json()["chatrooms"]
    assert (exported["name"], exported["title_source"]) == ("Warm places in May", "auto")


async def test_a_name_that_is_given_during_the_call_stays(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on(asks_for_title(), gate, "Too late")
    room = await new_room(mira)
    await mira.hear(room, QUESTION)
    await gate.reached()
    changed = await mira.patch(f"/chatroom/{room}", json={"name": "Mine"})
    assert changed.json()["title_source"] == "user"
    gate.open()

    # Written after it, in the order of the queue.
    model.on(asks_for_title("Next", "You said: Next"), "A title")
    other = await new_room(mira)
    await mira.hear(other, "Next")
    await title_arrives(mira, other, "A title")
    assert await named(mira, room) == ("Mine", "user")


async def deleted(mira: Person, room: str) -> httpx.Response:
    return await mira.delete(f"/chatroom/{room}")


async def erased(mira: Person, room: str) -> httpx.Response:
    return await mira.delete("/user/me")


@pytest.mark.parametrize("end", [deleted, erased], ids=lambda end: end.__name__)
async def test_nothing_happens_to_a_room_that_is_gone(
    site: Site, mira: Person, ravi: Person, model: ScriptedModel, logs: Logs, end: Any
) -> None:
    gate = Gate()
    model.on(asks_for_title(), gate, "Too late")
    await mira.hear(room := await new_room(mira), QUESTION)
    await gate.reached()
    assert (await end(mira, room)).is_success
    rows = await site.rows()
    gate.open()

    model.on(asks_for_title("Next", "You said: Next"), "A title")
    other = await new_room(ravi)
    await ravi.hear(other, "Next")
    await title_arrives(ravi, other, "A title")
    await ravi.delete(f"/chatroom/{other}")
    assert (await site.rows())["rooms"] == rows["rooms"]
    assert not [entry for entry in logs if entry["log_level"] in {"warning", "error"}]


async def test_a_failure_is_logged_and_counted_once_and_shown_to_nobody(
    mira: Person, model: ScriptedModel, logs: Logs
) -> None:
    model.on(asks_for_title(), ModelRefused("prompt_blocked", "No."))
    room = await new_room(mira)
    await mira.hear(room, QUESTION)

    async def counted() -> bool:
        metrics = (await mira.get("/metrics")).text
        return 'parley_titles_total{end="failed",model="scripted/one"} 1.0' in metrics

    await until(counted)
    [entry] = [entry for entry in logs if entry["event"] == "title_failed"]
    assert entry.items() >= {"code": "prompt_blocked", "model": "scripted/one", "room_id": room}.items()
    assert QUESTION not in str(entry)
    assert await named(mira, room) == (QUESTION, "auto")
    assert await mira.used() == 1


async def test_another_model_may_write_the_titles(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(TITLE_MODEL="scripted/two")).person()
    model.on(asks_for_title(), "A title")
    room = await new_room(mira)
    await mira.hear(room, QUESTION)
    await title_arrives(mira, room, "A title")
    assert model.models == ["one", "two"]


async def test_without_titles_the_first_words_remain(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(TITLE_MODEL="off")).person()
    room = await new_room(mira)
    await mira.hear(room, QUESTION)
    await mira.hear(room, "And in June?")
    assert await named(mira, room) == (QUESTION, "auto")
    assert [turns[-1][1] for turns in model.asked] == [QUESTION, "And in June?"]
