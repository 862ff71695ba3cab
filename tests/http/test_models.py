"""The choice of the model that writes a reply."""

import pytest

from tests.http.answers import refused
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Person, Site

UNKNOWN = ["scripted/three", "scripted", "one", "", "SCRIPTED/ONE", "scripted/one ", "openai/gpt-5", "/", "\x00"]


async def test_the_models_on_offer_are_listed(mira: Person) -> None:
    answer = await mira.get("/models")
    assert answer.status_code == 200
    assert answer.json() == {
        "items": [{"id": "scripted/one", "default": True}, {"id": "scripted/two", "default": False}],
        "next_cursor": None,
    }


async def test_the_default_model_writes_unless_another_is_named(mira: Person, model: ScriptedModel) -> None:
    reply = await mira.hear(await mira.new_room())
    assert reply["model"] == "scripted/one"
    assert model.models == ["one"]


async def test_the_rooms_model_writes(mira: Person, model: ScriptedModel) -> None:
    reply = await mira.hear(await mira.new_room(model="scripted/two"))
    assert reply["model"] == "scripted/two"
    assert model.models == ["two"]


async def test_a_message_can_name_another_model(mira: Person, model: ScriptedModel) -> None:
    room = await mira.new_room(model="scripted/two")
    wished = await mira.hear(room, model="scripted/one")
    unwished = await mira.hear(room, model=None)
    assert (wished["model"], unwished["model"]) == ("scripted/one", "scripted/two")
    assert model.models == ["one", "two"]


async def test_a_changed_model_writes_the_next_reply(mira: Person) -> None:
    room = await mira.new_room(model="scripted/two")
    before = await mira.hear(room)
    await mira.patch(f"/chatroom/{room}", json={"model": None})
    assert (await mira.hear(room))["model"] == "scripted/one"
    assert (await mira.hear(room))["model"] != before["model"]


async def test_a_model_that_is_not_offered_is_refused(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    for name in UNKNOWN:
        with subtests.test(name=name[:20]):
            room = await mira.new_room()
            before = await site.rows()
            for answer in (
                await mira.post("/chatroom", json={"name": "x", "model": name}),
                await mira.patch(f"/chatroom/{room}", json={"model": name}),
                await mira.say(room, model=name),
            ):
                refused(answer, 400, "unknown_model", "model")
            assert await site.rows() == before


async def test_the_model_gets_the_rooms_instructions(mira: Person, model: ScriptedModel) -> None:
    await mira.hear(await mira.new_room(instructions="Rhyme."))
    await mira.hear(await mira.new_room())
    assert model.instructions == ["Rhyme.", None]
