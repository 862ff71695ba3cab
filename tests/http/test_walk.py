"""A client's way from the first code to the end of a reply."""

from datetime import datetime
from uuid import UUID

from tests.http.answers import events, text_of
from tests.http.site import MIRA, Person, Site

MESSAGE_FIELDS = {
    "external_id",
    "parent_id",
    "siblings",
    "feedback",
    "id",
    "chatroom_id",
    "role",
    "content",
    "parts",
    "status",
    "model",
    "reply_to",
    "finish_reason",
    "usage",
    "error",
    "created_at",
    "completed_at",
}


async def test_a_code_is_sent_and_returned(site: Site) -> None:
    sent = await site.visitor().post("/auth/send-otp", json={"mobile_number": MIRA})
    assert sent.status_code == 200
    assert set(sent.json()) == {"message", "expires_in", "resend_in", "challenge", "otp"}
    assert sent.json()["expires_in"] == 600
    assert len(sent.json()["otp"]) == 6


async def test_a_code_opens_an_account(site: Site) -> None:
    signed_in = await site.visitor().sign_in(MIRA)
    assert set(signed_in) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "created",
        "user",
        "device_token",
    }
    assert signed_in["token_type"] == "bearer"
    assert signed_in["expires_in"] == 15 * 60
    assert signed_in["created"] is True
    assert signed_in["user"] == {
        "id": signed_in["user"]["id"],
        "mobile_number": MIRA,
        "email": None,
        "name": None,
        "plan": "basic",
        "password_set": False,
        "created_at": "2026-03-14T12:00:00Z",
    }
    assert UUID(signed_in["user"]["id"]).version == 7


async def test_the_account_can_be_read(site: Site) -> None:
    visitor = site.visitor()
    user = (await visitor.sign_in(MIRA))["user"]
    for path in ("/user/me", "/auth/me"):
        answer = await visitor.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == user


async def test_a_room_is_created(mira: Person) -> None:
    made = await mira.post("/chatroom", json={"name": "Holiday plans"})
    assert made.status_code == 201
    room = made.json()
    assert UUID(room["id"]).version == 7
    assert room == {
        "external_id": None,
        "id": room["id"],
        "name": "Holiday plans",
        "title_source": "user",
        "model": None,
        "instructions": None,
        "head": None,
        "pinned": False,
        "archived": False,
        "last_message": None,
        "created_at": "2026-03-14T12:00:00Z",
        "active_at": "2026-03-14T12:00:00Z",
    }


async def test_a_message_is_accepted_with_its_reply_and_stream_url(mira: Person) -> None:
    room = await mira.new_room()
    answer = await mira.say(room, "Where is it warm in May?")
    assert answer.status_code == 202
    accepted = answer.json()
    assert set(accepted) == {"message", "reply", "stream_url"}
    message, reply = accepted["message"], accepted["reply"]
    assert set(message) == set(reply) == MESSAGE_FIELDS
    assert {UUID(message["id"]).version, UUID(reply["id"]).version} == {7}
    said = {"chatroom_id": room, "role": "user", "content": "Where is it warm in May?", "status": "completed"}
    absent = dict.fromkeys(("model", "reply_to", "usage", "error", "finish_reason"))
    assert message.items() >= (said | absent).items()
    awaited = {"chatroom_id": room, "role": "assistant", "content": "", "status": "pending", "model": "scripted/one"}
    rest = {"reply_to": message["id"], "usage": None, "error": None, "completed_at": None}
    assert reply.items() >= (awaited | rest).items()
    assert answer.headers["location"] == f"/chatroom/{room}/messages/{reply['id']}"
    assert accepted["stream_url"].startswith(f"/chatroom/{room}/messages/{reply['id']}/stream?ticket=")


async def test_the_reply_completes(mira: Person) -> None:
    reply = await mira.hear(await mira.new_room(), "Where is it warm?")
    assert reply["status"] == "completed"
    assert reply["content"] == "You said: Whereisitwarm?"
    assert reply["parts"] == [{"type": "text", "text": reply["content"]}]
    assert reply["finish_reason"] == "stop"
    uncounted = {"cached_input_tokens": None, "reasoning_tokens": None}
    assert reply["usage"] == {"input_tokens": 1, "output_tokens": 7} | uncounted
    assert reply["error"] is None
    assert datetime.fromisoformat(reply["completed_at"]).utcoffset().total_seconds() == 0


async def test_the_stream_has_every_event_from_start_to_done(site: Site, mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    answer = await site.visitor().get(accepted["stream_url"])
    heard = events(answer)
    assert heard[0].name == "start"
    assert heard[0].data == {"attempt": 1}
    assert {event.name for event in heard[1:-1]} == {"delta"}
    assert heard[-1].name == "done"
    assert heard[-1].data == {"message": await mira.ended(accepted["reply"])}
    assert text_of(heard) == heard[-1].data["message"]["content"] != ""
    places = [event.place for event in heard]
    assert places == sorted(set(places))


async def test_the_room_contains_the_messages(mira: Person) -> None:
    room = await mira.new_room()
    accepted = await mira.ask(room)
    reply = await mira.ended(accepted["reply"])
    shown = (await mira.get(f"/chatroom/{room}")).json()
    assert shown["messages"] == [accepted["message"], reply]
    assert shown["next_cursor"] is None
    assert (await mira.get(f"/chatroom/{room}/messages")).json() == {
        "items": [accepted["message"], reply],
        "next_cursor": None,
    }
