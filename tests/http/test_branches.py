"""Editing messages, asking for other replies, going on from any reply, and showing another branch."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from parley.core.chat.errors import ModelRefused
from tests.http.answers import refused
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, address


@pytest.fixture
async def room(mira: Person) -> str:
    return await mira.new_room()


async def edit(mira: Person, message: dict[str, Any], content: str, **headers: str) -> httpx.Response:
    return await mira.post(f"{address(message)}/edit", json={"content": content}, headers=headers)


async def regenerate(mira: Person, reply: dict[str, Any], body: Any = None, **headers: str) -> httpx.Response:
    return await mira.post(f"{address(reply)}/regenerate", headers=headers, **({} if body is None else {"json": body}))


async def show(mira: Person, message: dict[str, Any]) -> dict[str, Any]:
    answer = await mira.put(f"/chatroom/{message['chatroom_id']}/head", json={"message_id": message["id"]})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def contents(mira: Person, room: str, **parameters: Any) -> list[str]:
    answer = await mira.get(f"/chatroom/{room}/messages", params=parameters)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["items"]]


async def test_the_context_of_each_branch_is_exactly_its_path(mira: Person, room: str, model: ScriptedModel) -> None:
    model.on("first", "one")
    model.on("first", "another one")
    model.on("second", "two")
    model.on("second, better", "two, better")
    model.on("third", "three")
    first = await mira.ask(room, "first")
    await mira.ended(first["reply"])
    second = await mira.ask(room, "second")
    await mira.ended(second["reply"])
    edited = (await edit(mira, second["message"], "second, better")).json()
    await mira.ended(edited["reply"])
    other = (await regenerate(mira, first["reply"])).json()
    await mira.ended(other["reply"])
    await mira.ended((await mira.ask(room, "third"))["reply"])
    await mira.ended((await mira.ask(room, "third", parent_id=edited["reply"]["id"]))["reply"])
    await mira.ended((await mira.ask(room, "third", parent_id=None))["reply"])

    exchange = [("user", "first"), ("assistant", "one")]
    assert model.asked == [
        [("user", "first")],
        [*exchange, ("user", "second")],
        [*exchange, ("user", "second, better")],
        [("user", "first")],
        [("user", "first"), ("assistant", "another one"), ("user", "third")],
        [*exchange, ("user", "second, better"), ("assistant", "two, better"), ("user", "third")],
        [("user", "third")],
    ]
    assert await contents(mira, room) == ["third", "three"]
    assert await contents(mira, room, head=second["message"]["id"]) == ["first", "one", "second", "two"]
    assert len(await contents(mira, room, all=True)) == 13


async def test_room_shows_its_head_and_the_branch_that_was_chosen(mira: Person, room: str) -> None:
    assert (await mira.get(f"/chatroom/{room}")).json()["head"] is None
    first = await mira.ask(room, "first")
    edited = (await edit(mira, first["message"], "better")).json()
    await mira.ended(edited["reply"])
    read = (await mira.get(f"/chatroom/{room}")).json()
    assert (read["head"], len(read["messages"])) == (edited["reply"]["id"], 2)
    assert (await mira.get("/chatroom")).json()["items"][0]["head"] == edited["reply"]["id"]

    assert (await show(mira, first["message"]))["head"] == first["reply"]["id"]
    assert (await mira.get("/chatroom")).json()["items"][0]["head"] == first["reply"]["id"]
    messages = (await mira.get(f"/chatroom/{room}")).json()["messages"]
    assert [message["id"] for message in messages] == [first["message"]["id"], first["reply"]["id"]]
    assert messages[0]["siblings"] == {
        "index": 0, "count": 2, "ids": [first["message"]["id"], edited["message"]["id"]]
    }  # fmt: skip


async def test_reply_can_be_regenerated_while_it_is_written_and_after_it_failed(
    mira: Person, room: str, model: ScriptedModel
) -> None:
    gate = Gate()
    model.on("slow", "on", gate, "e")
    model.on("slow", ModelRefused("model_refused", "No."))
    model.on("slow", "three")
    slow = await mira.ask(room, "slow")
    await gate.reached()
    second = (await regenerate(mira, slow["reply"])).json()
    gate.open()
    failed = await mira.ended(second["reply"])
    third = (await regenerate(mira, second["reply"], {"model": None})).json()
    assert third["message"]["id"] == slow["message"]["id"]
    assert third["reply"]["siblings"]["index"] == 2
    ended = await mira.ended(third["reply"])

    assert (failed["status"], ended["content"]) == ("failed", "three")
    await mira.ended((await mira.ask(room, "next"))["reply"])
    assert model.asked[-1] == [("user", "slow"), ("assistant", "three"), ("user", "next")]


async def test_other_reply_is_streamed_and_stopped_like_any(mira: Person, room: str, model: ScriptedModel) -> None:
    first = await mira.ask(room, "Tell me")
    await mira.ended(first["reply"])
    gate = Gate()
    model.on("Tell me", "well", gate)
    other = await regenerate(mira, first["reply"])
    assert other.headers["Location"].endswith(other.json()["reply"]["id"])
    assert "ticket=" in other.json()["stream_url"]
    await gate.reached()
    stopped = await mira.post(f"{address(other.json()['reply'])}/stop")
    assert (stopped.json()["status"], stopped.json()["content"]) == ("stopped", "well")


async def test_repeated_requests_have_the_same_answer_and_count_once(mira: Person, room: str) -> None:
    first = await mira.ask(room, "first")
    for send in (
        lambda: edit(mira, first["message"], "better", **{"Idempotency-Key": "edit"}),
        lambda: regenerate(mira, first["reply"], **{"Idempotency-Key": "regenerate"}),
    ):
        answers = [await send(), await send()]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json() == answers[1].json()
        assert answers[1].headers["Idempotent-Replayed"] == "true"
        assert answers[0].headers["RateLimit"] == answers[1].headers["RateLimit"]
    refused(await edit(mira, first["message"], "worse", **{"Idempotency-Key": "edit"}), 422, "idempotency_key_reused")
    refused(await regenerate(mira, first["reply"], **{"Idempotency-Key": "edit"}), 422, "idempotency_key_reused")
    assert (await mira.get("/user/usage")).json()["used"] == 3


async def test_what_does_not_fit_is_refused(mira: Person, ravi: Person, room: str) -> None:
    first = await mira.ask(room, "first")
    beside = await mira.ask(await mira.new_room(), "beside")
    strange = await ravi.ask(await ravi.new_room(), "strange")
    for parent in (first["message"], beside["reply"]):
        refused(await mira.say(room, parent_id=parent["id"]), 400, "parent_invalid", "parent_id")
    for parent_id in (strange["reply"]["id"], str(uuid4())):
        refused(await mira.say(room, parent_id=parent_id), 404, "message_not_found")
    refused(await mira.say(room, parent_id="first"), 400, "invalid_input", "parent_id")
    refused(await edit(mira, first["reply"], "mine"), 404, "not_a_user_message")
    refused(await edit(mira, first["message"], " "), 400, "invalid_input", "content")
    refused(await regenerate(mira, first["message"]), 404, "not_a_reply")
    refused(await regenerate(mira, first["reply"], {"model": "none/such"}), 400, "unknown_model", "model")
    refused(await regenerate(mira, first["reply"], {"content": "no"}), 400, "invalid_input", "content")
    refused(await edit(mira, strange["message"], "theirs"), 404, "chatroom_not_found")
    for message in (strange["message"], beside["message"]):
        answer = await mira.put(f"/chatroom/{room}/head", json={"message_id": message["id"]})
        refused(answer, 404, "message_not_found")
        refused(await mira.get(f"/chatroom/{room}/messages", params={"head": message["id"]}), 404, "message_not_found")
    assert len(await contents(mira, room, all=True)) == 2
