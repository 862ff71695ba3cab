"""Reasoning and finish reasons in messages, streams and the export."""

import asyncio

from parley.core.chat.language_model import Reasoning
from tests.http.answers import events
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, address

THOUGHT = {"type": "reasoning", "text": "Hm, 😀."}
TEXT = {"type": "text", "text": "Crete."}
# The contract's limit, from the end of a session to the end of its streams.
STREAM_OUTLIVES_SESSION_SECONDS = 5


async def test_a_reply_has_reasoning_apart_from_its_content(mira: Person, model: ScriptedModel) -> None:
    model.on("Where?", Reasoning("Hm, "), Reasoning("😀."), "Crete.")
    room = await mira.new_room()
    reply = await mira.hear(room, "Where?")
    assert (reply["content"], reply["parts"]) == ("Crete.", [THOUGHT, TEXT])

    question, listed = (await mira.get(f"/chatroom/{room}/messages")).json()["items"]
    assert question["parts"] == [{"type": "text", "text": "Where?"}]
    assert listed == reply
    exported = (await mira.get("/user/me/export")).json()["chatrooms"][0]["messages"]
    assert exported == [message | {"settings": None} for message in (question, reply)]


async def test_reasoning_is_streamed_and_resumed_like_text(mira: Person, model: ScriptedModel) -> None:
    model.on("Where?", Reasoning(THOUGHT["text"]), TEXT["text"])
    accepted = await mira.ask(await mira.new_room(), "Where?")
    await mira.ended(accepted["reply"])
    path = f"{address(accepted['reply'])}/stream"
    heard = events(await mira.get(path))
    assert [(event.id, event.name) for event in heard] == [
        ("1-0", "start"), ("1-6", "reasoning"), ("1-12", "delta"), ("1-13", "done"),
    ]  # fmt: skip
    for seen in range(13):
        rest = events(await mira.get(path, headers={"Last-Event-ID": f"1-{seen}"}))
        read = {event.name: event.data["text"] for event in rest[:-1]}
        assert read.get("reasoning", "") == THOUGHT["text"][seen:]
        assert read.get("delta", "") == TEXT["text"][max(0, seen - 6) :]


async def test_a_reply_that_is_being_written_has_its_parts_so_far(
    site: Site, mira: Person, model: ScriptedModel
) -> None:
    thinking, writing = Gate(), Gate()
    model.on("Where?", Reasoning(THOUGHT["text"]), thinking, "Crete.", writing)
    accepted = await mira.ask(await mira.new_room(), "Where?")
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        assert [(await stream.event()).name for _ in range(2)] == ["start", "reasoning"]
        found = (await mira.get(address(accepted["reply"]))).json()
        assert (found["status"], found["content"], found["parts"]) == ("generating", "", [THOUGHT])
        thinking.open()
        assert (await stream.event()).name == "delta"
        found = (await mira.get(address(accepted["reply"]))).json()
        assert (found["status"], found["content"], found["parts"]) == ("generating", "Crete.", [THOUGHT, TEXT])
        writing.open()
        await stream.rest()


async def test_characters_that_end_lines_are_escaped_in_events(mira: Person, model: ScriptedModel) -> None:
    text = "a\u2028b\u2029c\x85dé"
    model.on("Where?", Reasoning(text), text)
    accepted = await mira.ask(await mira.new_room(), "Where?")
    await mira.ended(accepted["reply"])
    answer = await mira.get(f"{address(accepted['reply'])}/stream")
    assert not set("\u2028\u2029\x85") & set(answer.text)
    assert "é" in answer.text
    heard = events(answer)
    assert [event.data["text"] for event in heard[1:3]] == [text, text]
    assert heard[-1].data["message"]["content"] == text


async def test_a_stream_ends_soon_after_its_session(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Where?", "Cre", gate)
    accepted = await mira.ask(await mira.new_room(), "Where?")
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        assert [(await stream.event()).name for _ in range(2)] == ["start", "delta"]
        assert (await mira.post("/auth/logout")).status_code == 204
        async with asyncio.timeout(STREAM_OUTLIVES_SESSION_SECONDS):
            assert await stream.rest() == []
    gate.open()
