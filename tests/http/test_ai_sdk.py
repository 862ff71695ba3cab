"""The AI SDK's protocol, read as bytes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from parley.adapters.http.ai_sdk.frames import UIMessageStream
from parley.adapters.http.server.broken import ConnectionBroken
from parley.core.chat.errors import ModelRefused
from parley.core.chat.language_model import Reasoning
from parley.core.chat.model import EventId, Message, Role, Status
from parley.core.chat.parts import PartKind
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded, ReplyEvent
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site


def said(text: str, message_id: str = "m1") -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}


def replied(reply_id: str) -> dict[str, Any]:
    return {"id": reply_id, "role": "assistant", "parts": [{"type": "step-start"}, {"type": "text", "text": "…"}]}


def frames_of(answer: httpx.Response) -> list[Any]:
    """What follows `data: `, in order; JSON is read."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    *frames, rest = answer.text.split("\n\n")
    assert rest == ""
    data = [frame.removeprefix("data: ") for frame in frames if not frame.startswith(":")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


async def send(person: Person, *messages: dict[str, Any], chat: str = "c1", **fields: Any) -> httpx.Response:
    return await person.post("/api/chat", json={"id": chat, "messages": list(messages)} | fields)


async def sent(person: Person, *messages: dict[str, Any], chat: str = "c1", **fields: Any) -> list[Any]:
    return frames_of(await send(person, *messages, chat=chat, **fields))


def text_of(frames: list[Any], kind: str = "text") -> str:
    return "".join(frame["delta"] for frame in frames if frame != "[DONE]" and frame["type"] == f"{kind}-delta")


def reply_id_of(frames: list[Any]) -> str:
    return str(frames[0]["messageId"])


async def room_of(person: Person, chat: str = "c1") -> dict[str, Any]:
    rooms = (await person.get("/chatroom")).json()["items"]
    return next(room for room in rooms if room["external_id"] == chat)


async def all_messages(person: Person, chat: str = "c1") -> list[dict[str, Any]]:
    room = await room_of(person, chat)
    found: list[dict[str, Any]] = (await person.get(f"/chatroom/{room['id']}/messages?all=true")).json()["items"]
    return found


async def test_every_frame_of_a_reply(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi ", "there")
    frames = await sent(mira, said("Hello"))
    kinds = [frame if frame == "[DONE]" else frame["type"] for frame in frames]
    assert [kind for number, kind in enumerate(kinds) if kind != kinds[number - 1] or number == 0] == [
        "start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end", "text-start", "text-delta",
        "text-end", "finish-step", "finish", "[DONE]",
    ]  # fmt: skip
    assert (text_of(frames, "reasoning"), text_of(frames)) == ("Hm.", "Hi there")
    assert frames[-2] == {"type": "finish", "finishReason": "stop"}
    started = {frame["type"]: frame["id"] for frame in frames if frame != "[DONE]" and "id" in frame}
    assert started["reasoning-start"] == started["reasoning-end"] != started["text-start"] == started["text-end"]


async def test_a_chat_is_a_room_with_the_ids_of_its_client(mira: Person) -> None:
    reply = reply_id_of(await sent(mira, said("Where is it warm?")))
    room = await room_of(mira)
    assert (room["name"], room["title_source"], room["head"]) == ("Where is it warm?", "auto", reply)
    question, answer = await all_messages(mira)
    assert (question["external_id"], answer["external_id"], answer["id"]) == ("m1", None, reply)


async def test_the_same_message_is_sent_once(mira: Person) -> None:
    answers = await asyncio.gather(*(sent(mira, said("Hello")) for _ in range(5)))
    assert len({reply_id_of(frames) for frames in answers}) == 1
    assert {text_of(frames) for frames in answers} == {"You said: Hello"}
    assert len(await all_messages(mira)) == 2
    assert await mira.used() == 1


async def test_another_text_with_the_same_id_is_an_edit(mira: Person) -> None:
    first = reply_id_of(await sent(mira, said("Hello")))
    await sent(mira, said("Hello"), replied(first), said("More", "m2"))
    edited = await sent(mira, said("Bonjour"), messageId="m1")
    assert text_of(edited) == "You said: Bonjour"
    questions = [message for message in await all_messages(mira) if message["role"] == "user"]
    assert [(each["content"], each["external_id"], each["siblings"]["index"]) for each in questions] == [
        ("Hello", "m1", 0),
        ("More", "m2", 0),
        ("Bonjour", "m1", 1),
    ]


async def test_a_message_goes_on_from_the_reply_that_its_client_shows(mira: Person, model: ScriptedModel) -> None:
    first = reply_id_of(await sent(mira, said("One")))
    await sent(mira, said("One"), replied(first), said("Two", "m2"))
    await sent(mira, said("One"), replied(first), said("Three", "m3"))
    assert model.asked[-1] == [("user", "One"), ("assistant", "You said: One"), ("user", "Three")]


@pytest.mark.parametrize("before", [[], [replied("made-by-the-client")]])
async def test_a_message_goes_on_from_the_head_if_the_reply_before_is_not_known(
    mira: Person, model: ScriptedModel, before: list[Any]
) -> None:
    await sent(mira, said("One"))
    await sent(mira, *before, said("Two", "m2"))
    assert model.asked[-1] == [("user", "One"), ("assistant", "You said: One"), ("user", "Two")]


async def test_the_last_message_may_come_alone(mira: Person) -> None:
    answer = await mira.post("/api/chat", json={"id": "c1", "message": said("Hello"), "trigger": "submit-message"})
    assert text_of(frames_of(answer)) == "You said: Hello"


@pytest.mark.parametrize("named", ["reply", "question", None])
async def test_another_reply_to_the_same_message(mira: Person, named: str | None) -> None:
    first = reply_id_of(await sent(mira, said("Hello")))
    message_id = {"reply": first, "question": "m1", None: None}[named]
    again = await sent(mira, said("Hello"), trigger="regenerate-message", messageId=message_id)
    assert text_of(again) == "You said: Hello"
    assert reply_id_of(again) != first
    assert [message["role"] for message in await all_messages(mira)] == ["user", "assistant", "assistant"]


async def test_rooms_of_the_api_are_chats_by_their_own_ids(mira: Person, model: ScriptedModel) -> None:
    room = await mira.new_room()
    accepted = await mira.ask(room, "One")
    await mira.ended(accepted["reply"])
    await sent(mira, said("Two", "m2"), chat=room)
    assert model.asked[-1] == [("user", "One"), ("assistant", "You said: One"), ("user", "Two")]
    edited = await sent(mira, said("Uno", accepted["message"]["id"]), chat=room)
    assert text_of(edited) == "You said: Uno"


async def test_a_chat_of_another_account_is_not_found(mira: Person, ravi: Person) -> None:
    room = await mira.new_room()
    reply = reply_id_of(await sent(mira, said("Secret")))
    for chat in (room, "c1"):
        assert (await ravi.get(f"/api/chat/{chat}/stream?replay=last")).status_code == 204
        assert (await ravi.post(f"/api/chat/{chat}/stop")).status_code == 204
        answer = await send(ravi, said("Secret"), chat=chat, trigger="regenerate-message", messageId=reply)
        assert answer.status_code == 404
    await sent(ravi, said("Mine"), chat="c1")
    assert len(await all_messages(mira)) == 2
    assert [message["content"] for message in await all_messages(ravi)] == ["Mine", "You said: Mine"]


async def test_a_running_reply_is_replayed_from_its_start_and_stopped(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate, "two")
    sending = asyncio.create_task(sent(mira, said("Hello")))
    await gate.reached()
    resuming = asyncio.create_task(mira.get("/api/chat/c1/stream"))
    assert (await mira.post("/api/chat/c1/stop")).status_code == 204
    frames, resumed = await sending, frames_of(await resuming)
    assert reply_id_of(frames) == reply_id_of(resumed)
    assert text_of(frames) == text_of(resumed) == "one "
    assert frames[-2:] == resumed[-2:] == [{"type": "abort"}, "[DONE]"]


async def test_nothing_is_resumed_when_nothing_runs_unless_it_is_asked_for(mira: Person) -> None:
    assert (await mira.get("/api/chat/none/stream")).status_code == 204
    frames = await sent(mira, said("Hello"))
    assert (await mira.get("/api/chat/c1/stream")).status_code == 204
    replayed = frames_of(await mira.get("/api/chat/c1/stream?replay=last"))
    assert (reply_id_of(replayed), text_of(replayed)) == (reply_id_of(frames), "You said: Hello")
    assert (await mira.post("/api/chat/c1/stop")).status_code == 204


CHAT_IDS = ["a/b", "/", "a//b/", "a/stop", "stream", "a?b#c", "50%", "%2F", "%25", "ünï/✓", "a b+c;d=e&f", "x" * 255]


@pytest.mark.parametrize("chat", CHAT_IDS)
async def test_a_chat_id_may_have_any_characters_that_its_client_encodes(mira: Person, chat: str) -> None:
    reply = reply_id_of(await sent(mira, said("Hello"), chat=chat))
    # Older clients leave a slash as it is.
    for address in {quote(chat, safe=""), quote(chat)}:
        replayed = await mira.get(f"/api/chat/{address}/stream?replay=last")
        assert reply_id_of(frames_of(replayed)) == reply
        assert (await mira.head(f"/api/chat/{address}/stream?replay=last")).status_code == 200
        assert (await mira.post(f"/api/chat/{address}/stop/")).status_code == 204
    assert (await room_of(mira, chat))["head"] == reply


@pytest.mark.parametrize("chat", ["x" * 256, "/" * 256])
async def test_a_chat_id_in_an_address_is_as_long_as_in_a_message(mira: Person, chat: str) -> None:
    assert (await mira.get(f"/api/chat/{quote(chat, safe='')}/stream")).status_code == 400


async def two_attempts() -> AsyncGenerator[ReplyEvent, None]:
    reply = Message(UUID(int=1), UUID(int=2), Role.ASSISTANT, "right", Status.COMPLETED, datetime.now(UTC), attempt=2)
    for attempt, text in ((1, "wrong"), (2, "right")):
        yield AttemptStarted(EventId(attempt, 0))
        yield Delta(EventId(attempt, len(text)), text, PartKind.TEXT)
    yield ReplyEnded(EventId(2, 5), reply)


async def test_a_later_attempt_takes_back_what_was_read() -> None:
    stream = UIMessageStream("r", version=7).frames(two_attempts(), lambda: None)
    sent = b"".join([frame async for frame in stream]).decode()
    wrong, right = sent.split('data: {"type":"reset-step"}')
    assert "wrong" in wrong
    assert "right" in right
    assert "text-start" in right
    assert right.endswith("data: [DONE]\n\n")


async def test_a_client_that_cannot_take_it_back_loses_the_connection() -> None:
    stream = UIMessageStream("r", version=6).frames(two_attempts(), lambda: None)
    with pytest.raises(ConnectionBroken):
        [frame async for frame in stream]


async def test_a_failed_reply_says_why(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", ModelRefused("content_blocked", "The provider blocked it."))
    *_, failed, done = await sent(mira, said("Hello"))
    assert failed == {"type": "error", "errorText": "The provider blocked it."}
    assert done == "[DONE]"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"id": "c1"}, "messages: the last one must be the user's"),
        ({"id": "c1", "messages": [replied("x")]}, "messages: the last one must be the user's"),
        ({"id": "c1", "messages": [{"role": "user", "parts": []}]}, "messages: the last one must have an id"),
        ({"id": "c1", "messages": [said("")]}, "content: must have 1 to 32,000 characters"),
        ({"messages": [said("Hello")]}, "id: is required"),
        ({"id": "c1", "messages": [said("Hello")], "model": "none/such"}, "model: "),
        (
            {"id": "c1", "messages": [{"id": "m", "role": "user", "parts": [{"type": "file", "url": "data:,x"}]}]},
            "parts: must be of the type text",
        ),
    ],
)
async def test_a_refusal_is_one_sentence_and_makes_no_room(mira: Person, body: dict[str, Any], sentence: str) -> None:
    answer = await mira.post("/api/chat", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(sentence)
    assert (await mira.get("/chatroom")).json()["items"] == []


async def test_a_used_up_day_is_one_sentence_with_the_quotas_headers(open_site: OpenSite) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="1")).person()
    first = await send(mira, said("Hello"))
    assert first.headers["ratelimit-policy"] == '"daily";q=1;w=86400'
    refused = await send(mira, said("More"), chat="c2")
    assert refused.status_code == 429
    assert refused.text.startswith("The 1 message")
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"
    assert int(refused.headers["retry-after"]) > 0
    assert [room["external_id"] for room in (await mira.get("/chatroom")).json()["items"]] == ["c1"]


async def test_without_a_token_it_is_one_sentence_too(site: Site) -> None:
    answer = await site.visitor().post("/api/chat", json={"id": "c1", "messages": [said("Hello")]})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_an_edit_under_a_limit_of_rooms(open_site: OpenSite) -> None:
    mira = await (await open_site(MAX_CHATROOMS="1")).person()
    await sent(mira, said("Hello"))
    await sent(mira, said("Bonjour"))
    refused = await send(mira, said("Hello"), chat="c2")
    assert refused.status_code == 409
    assert len((await mira.get("/chatroom")).json()["items"]) == 1
