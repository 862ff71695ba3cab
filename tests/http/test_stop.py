"""Stopping a reply."""

import asyncio
from typing import Any

from parley.core.chat.errors import ModelUnavailable
from tests.http.answers import events, refused
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, address, until


async def stop(mira: Person, reply: dict[str, Any]) -> dict[str, Any]:
    answer = await mira.post(f"{address(reply)}/stop")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_running_reply_keeps_its_text_so_far(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", "two", gate, "three")
    reply = (await mira.ask(room))["reply"]
    await gate.reached()
    stopped = await stop(mira, reply)
    assert (stopped["status"], stopped["content"]) == ("stopped", "one two")
    assert (stopped["usage"], stopped["error"]) == (None, None)
    assert stopped["completed_at"] is not None
    assert (await mira.get(address(reply))).json() == stopped


async def test_readers_receive_the_event_stopped(site: Site, mira: Person, room: str, model: ScriptedModel) -> None:
    model.on("Hello", "one ", Gate())
    accepted = await mira.ask(room)
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        heard = [await stream.event(), await stream.event()]
        stopped = await stop(mira, accepted["reply"])
        heard += await stream.rest()
    assert [event.name for event in heard] == ["start", "delta", "stopped"]
    assert heard[-1].data == {"message": stopped}
    late = events(await mira.get(accepted["stream_url"]))
    assert [event.name for event in late] == ["start", "delta", "stopped"]
    assert late[-1] == heard[-1]


async def test_the_models_request_is_ended(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", gate, "more")
    reply = (await mira.ask(room))["reply"]
    await gate.reached()
    await stop(mira, reply)
    gate.open()
    assert (await mira.hear(room, "Next"))["status"] == "completed"
    assert (await mira.get(address(reply))).json()["content"] == ""


async def test_a_pending_reply_is_stopped_without_asking_the_model(
    mira: Person, room: str, model: ScriptedModel
) -> None:
    gate = Gate()
    model.on("First", gate, "done")
    first = (await mira.ask(room, "First"))["reply"]
    second = (await mira.ask(room, "Second"))["reply"]
    third = (await mira.ask(room, "Third"))["reply"]
    await gate.reached()
    stopped = await stop(mira, second)
    assert (stopped["status"], stopped["content"]) == ("stopped", "")
    assert (await mira.get(address(first))).json()["status"] == "generating"
    gate.open()
    assert (await mira.ended(third))["status"] == "completed"
    assert (await mira.ended(first))["content"] == "done"
    assert model.times_asked("Second") == 0


async def test_the_next_reply_begins_when_the_first_is_stopped(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("First", "half", gate)
    first = (await mira.ask(room, "First"))["reply"]
    second = (await mira.ask(room, "Second"))["reply"]
    await gate.reached()
    await stop(mira, first)
    assert (await mira.ended(second))["status"] == "completed"
    assert model.asked[-1] == [("user", "First"), ("assistant", "half"), ("user", "Second")]


async def test_a_reply_between_two_attempts_keeps_the_text_that_readers_have(
    mira: Person, room: str, model: ScriptedModel
) -> None:
    model.on("Hello", "one ", ModelUnavailable("overloaded", "Busy.", retry_after=300))
    reply = (await mira.ask(room))["reply"]

    async def postpone() -> bool:
        return model.times_asked("Hello") == 1 and (await mira.get(address(reply))).json()["status"] == "pending"

    await until(postpone)
    stopped = await stop(mira, reply)
    assert stopped["status"] == "stopped"
    assert stopped["content"] in {"", "one "}
    assert model.times_asked("Hello") == 1


async def test_an_ended_reply_stays_as_it_is(site: Site, mira: Person, room: str) -> None:
    reply = await mira.hear(room)
    before = await site.rows()
    assert await stop(mira, reply) == reply
    assert await site.rows() == before


async def test_repeated_and_concurrent_stops_have_one_effect(mira: Person, room: str, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one", gate)
    reply = (await mira.ask(room))["reply"]
    await gate.reached()
    answers = await asyncio.gather(*(stop(mira, reply) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] == "stopped"
    assert await stop(mira, reply) == answers[0]


async def test_a_users_message_cannot_be_stopped(site: Site, mira: Person, room: str) -> None:
    accepted = await mira.ask(room)
    await mira.ended(accepted["reply"])
    before = await site.rows()
    refused(await mira.post(f"{address(accepted['message'])}/stop"), 404, "not_a_reply")
    assert await site.rows() == before


async def test_a_stop_needs_no_body_and_no_media_type(mira: Person, room: str) -> None:
    reply = await mira.hear(room)
    for request in ({}, {"json": {}}, {"content": b""}):
        assert (await mira.post(f"{address(reply)}/stop", **request)).status_code == 200
