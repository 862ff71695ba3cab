"""Idempotency-Key: a repetition within 24 hours gets the same answer and changes nothing."""

import asyncio
from uuid import uuid4

import pytest

from tests.http.answers import events, refused
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import MIRA, Clock, Person, Site


async def said_in(mira: Person, room: str) -> list[str]:
    """The users' messages of a room."""
    items = (await mira.get(f"/chatroom/{room}/messages", params={"limit": 100})).json()["items"]
    return [message["content"] for message in items if message["role"] == "user"]


async def test_a_repetition_gets_the_same_bytes(mira: Person, room: str, model: ScriptedModel) -> None:
    first = await mira.say(room, key="a key")
    second = await mira.say(room, key="a key")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["ratelimit"] == second.headers["ratelimit"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    await mira.ended(first.json()["reply"])
    assert await said_in(mira, room) == ["Hello"]
    assert len(model.asked) == 1
    assert await mira.used() == 1


@pytest.mark.parametrize("moment", ["pending", "generating", "ended"])
async def test_a_repetition_gets_the_same_answer_whatever_the_replys_status(
    mira: Person, room: str, model: ScriptedModel, moment: str
) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate, "two")
    first = await mira.say(room, key="a key")
    if moment != "pending":
        await gate.reached()
    if moment == "ended":
        gate.open()
        await mira.ended(first.json()["reply"])
    assert (await mira.say(room, key="a key")).content == first.content
    gate.open()


async def test_a_repetition_changes_nothing(site: Site, mira: Person, room: str, clock: Clock) -> None:
    await mira.hear(room, key="a key")
    before = await site.rows()
    clock.forward(minutes=1)
    assert (await mira.say(room, key="a key")).headers["idempotent-replayed"] == "true"
    assert await site.rows() == before


async def test_another_body_under_the_same_key_is_refused(site: Site, mira: Person, room: str) -> None:
    await mira.hear(room, key="a key")
    before = await site.rows()
    refused(await mira.say(room, "Goodbye", key="a key"), 422, "idempotency_key_reused")
    refused(await mira.say(room, model="scripted/two", key="a key"), 422, "idempotency_key_reused")
    assert await site.rows() == before


async def test_the_same_body_in_another_notation_is_a_repetition(mira: Person, room: str) -> None:
    first = await mira.say(room, key="a key")
    headers = {"Idempotency-Key": "a key", "Content-Type": "application/json"}
    body = b'{ "model": null,\n "content": "\\u0048ello" }'
    assert (await mira.post(f"/chatroom/{room}/message", content=body, headers=headers)).content == first.content


@pytest.mark.parametrize("key", ["", "x" * 256], ids=["empty", "256 characters"])
async def test_a_key_has_1_to_255_characters(site: Site, mira: Person, room: str, key: str) -> None:
    before = await site.rows()
    refused(await mira.say(room, key=key), 400, "invalid_input", "Idempotency-Key")
    assert await site.rows() == before


KEYS = ["x", "x" * 255, '"a quoted key"', "key with: all; sorts, of=things"]


async def test_any_other_key_is_valid(mira: Person, room: str, subtests: pytest.Subtests) -> None:
    for key in KEYS:
        with subtests.test(key=key[:20]):
            first = await mira.say(room, key=key)
            second = await mira.say(room, key=key)
            assert first.status_code == 202
            assert second.headers["idempotent-replayed"] == "true"


async def test_keys_are_case_sensitive(mira: Person, room: str) -> None:
    await mira.ask(room, key="key")
    assert "idempotent-replayed" not in (await mira.say(room, key="KEY")).headers


async def test_of_200_concurrent_repetitions_one_is_a_message(mira: Person, room: str, model: ScriptedModel) -> None:
    answers = await asyncio.gather(*(mira.say(room, key="a key") for _ in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotent-replayed" not in answer.headers]) == 1
    await mira.ended(answers[0].json()["reply"])
    assert await said_in(mira, room) == ["Hello"]
    assert await mira.used() == 1
    assert len(model.asked) == 1


async def test_a_key_is_remembered_for_24_hours(mira: Person, room: str, clock: Clock) -> None:
    first = await mira.ask(room, key="a key")
    clock.forward(hours=24, seconds=-1)
    await mira.sign_in(MIRA)
    repeat = await mira.say(room, key="a key")
    assert repeat.headers["idempotent-replayed"] == "true"
    assert repeat.json()["message"] == first["message"]
    clock.forward(seconds=2)
    anew = await mira.say(room, key="a key")
    assert "idempotent-replayed" not in anew.headers
    assert anew.json()["message"]["id"] != first["message"]["id"]
    again = await mira.say(room, key="a key")
    assert again.content == anew.content


async def test_a_late_repetition_has_a_valid_ticket(site: Site, mira: Person, room: str, clock: Clock) -> None:
    first = await mira.ask(room, key="a key")
    clock.forward(minutes=11)
    repeat = await mira.say(room, key="a key")
    assert repeat.json() | {"stream_url": None} == first | {"stream_url": None}
    assert events(await site.visitor().get(repeat.json()["stream_url"]))[-1].name == "done"


async def test_each_room_has_its_own_keys(mira: Person, room: str) -> None:
    other = await mira.new_room("Another")
    await mira.ask(room, key="a key")
    answer = await mira.say(other, "Something else", key="a key")
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers


async def test_each_account_has_its_own_keys(mira: Person, ravi: Person, room: str) -> None:
    await mira.ask(room, key="a key")
    answer = await ravi.say(await ravi.new_room(), "Something else", key="a key")
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers
    refused(await ravi.say(room, key="a key"), 404, "chatroom_not_found")


async def test_a_refusal_does_not_use_up_the_key(mira: Person, room: str) -> None:
    refused(await mira.say(room, "", key="a key"), 400, "invalid_input", "content")
    refused(await mira.say(room, model="no/such", key="a key"), 400, "unknown_model", "model")
    refused(await mira.say(str(uuid4()), key="a key"), 404, "chatroom_not_found")
    answer = await mira.say(room, key="a key")
    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers


async def test_a_repetition_is_answered_when_the_quota_is_used_up(open_site: OpenSite, clock: Clock) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="1")).person()
    room = await mira.new_room()
    first = await mira.say(room, key="a key")
    repeat = await mira.say(room, key="a key")
    assert repeat.content == first.content
    assert repeat.headers["ratelimit"] == '"daily";r=0;t=43200'
    refused(await mira.say(room, key="another"), 429, "quota_exceeded")
    clock.forward(hours=12)
    await mira.sign_in(MIRA)
    assert (await mira.say(room, key="another")).status_code == 202
