"""Replies of a room are written in order, each with the one before; rooms do not wait for each other."""

import asyncio

from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, address


async def test_the_second_reply_waits_for_the_first_and_sees_it(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("First", "one ", gate, "two")
    room = await mira.new_room()
    first = (await mira.ask(room, "First"))["reply"]
    second = (await mira.ask(room, "Second"))["reply"]
    await gate.reached()
    assert (await mira.get(address(first))).json()["status"] == "generating"
    assert (await mira.get(address(second))).json()["status"] == "pending"
    assert model.times_asked("Second") == 0
    gate.open()
    assert (await mira.ended(second))["status"] == "completed"
    assert model.asked == [
        [("user", "First")],
        [("user", "First"), ("assistant", "one two"), ("user", "Second")],
    ]


async def test_concurrent_messages_are_answered_in_the_rooms_order(mira: Person, model: ScriptedModel) -> None:
    room = await mira.new_room()
    accepted = await asyncio.gather(*(mira.ask(room, f"Message {number}") for number in range(10)))
    for each in accepted:
        await mira.ended(each["reply"])
    shown = (await mira.get(f"/chatroom/{room}/messages")).json()["items"]
    assert [message["role"] for message in shown] == ["user", "assistant"] * 10
    assert all(reply["reply_to"] == question["id"] for question, reply in zip(shown[::2], shown[1::2], strict=True))
    said = [(message["role"], message["content"]) for message in shown]
    assert model.asked == [said[: 2 * turn + 1] for turn in range(10)]


async def test_a_room_does_not_wait_for_another(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Slow", gate, "done")
    slow = (await mira.ask(await mira.new_room("Slow"), "Slow"))["reply"]
    await gate.reached()
    for number in range(3):
        assert (await mira.hear(await mira.new_room(f"Quick {number}")))["status"] == "completed"
    assert (await mira.get(address(slow))).json()["status"] == "generating"
    gate.open()
    assert (await mira.ended(slow))["content"] == "done"


async def test_replies_of_many_rooms_are_written_concurrently(mira: Person, model: ScriptedModel) -> None:
    gates = [Gate() for _ in range(10)]
    replies = []
    for number, gate in enumerate(gates):
        model.on(f"Message {number}", gate, "done")
        replies.append((await mira.ask(await mira.new_room(), f"Message {number}"))["reply"])
    for gate in gates:
        await gate.reached()
    for gate in gates:
        gate.open()
    for reply in replies:
        assert (await mira.ended(reply))["content"] == "done"


async def test_a_model_gets_whole_exchanges_up_to_the_limit(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(CONTEXT_CHARACTERS="30")).person()
    room = await mira.new_room()
    model.on("A" * 10, "B" * 10)
    model.on("C" * 10, "D" * 10)
    model.on("E" * 30, "F")
    for content in ("A" * 10, "C" * 10, "E" * 30):
        await mira.hear(room, content)
    assert model.asked == [
        [("user", "A" * 10)],
        [("user", "A" * 10), ("assistant", "B" * 10), ("user", "C" * 10)],
        [("user", "E" * 30)],
    ]


async def test_a_model_gets_no_messages_of_other_rooms(mira: Person, model: ScriptedModel) -> None:
    await mira.hear(await mira.new_room(), "A secret")
    await mira.hear(await mira.new_room(), "Hello")
    assert model.asked[-1] == [("user", "Hello")]
