"""The export of all data of an account."""

from typing import Any
from uuid import UUID

from parley.adapters.http.openai.response_ids import conversation_id
from parley.core.chat.export import PAGE
from tests.http.answers import refused
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import MIRA, Person, Site, address


async def export(person: Person) -> dict[str, Any]:
    answer = await person.get("/user/me/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="parley-export.json"'
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_a_new_account_exports_only_itself(mira: Person) -> None:
    found = await export(mira)
    account = (await mira.get("/user/me")).json()
    sessions = (await mira.get("/auth/sessions")).json()["items"]
    assert found.pop("exported_at").endswith("Z")
    assert found == {"account": account, "sessions": sessions, "api_keys": [], "usage": [], "chatrooms": []}


async def test_rooms_are_oldest_first_and_have_all_their_messages(mira: Person) -> None:
    rooms = [await mira.new_room(name) for name in ('First «\u2028» "quoted" \\', "Empty", "Last")]
    expected = {room: [] for room in rooms}
    shared = (await mira.post(f"/chatroom/{rooms[0]}/share")).json()
    metadata = {"topic": 'holidays «\u2028» "quoted" \\'}
    await mira.post(f"/v1/conversations/{conversation_id(UUID(rooms[2]))}", json={"metadata": metadata})
    # One room fills exactly one page, and one needs a second page.
    for room, exchanges in ((rooms[2], PAGE // 2), (rooms[0], PAGE // 2 + 1)):
        for number in range(exchanges):
            accepted = await mira.ask(room, f"Question {number} ]}}")
            expected[room] += [accepted["message"], await mira.ended(accepted["reply"])]

    found = (await export(mira))["chatrooms"]

    assert [room["id"] for room in found] == rooms
    for room in found:
        assert [message.pop("settings") for message in room["messages"]] == [None] * len(room["messages"])
        assert room.pop("messages") == expected[room["id"]]
        assert room.pop("share") == (shared if room["id"] == rooms[0] else None)
        assert room.pop("metadata") == (metadata if room["id"] == rooms[2] else {})
        read = (await mira.get(f"/chatroom/{room['id']}")).json()
        assert room == {key: read[key] for key in room}


async def test_a_reply_has_what_its_client_attached(mira: Person) -> None:
    async def ask(**fields: Any) -> tuple[str, str]:
        answer = await mira.post("/v1/responses", json={"model": "scripted/one", "input": "Hello"} | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"], str(UUID(answer.json()["id"].removeprefix("resp_")))

    metadata = {"topic": 'holidays «\u2028» "quoted" \\ ]}}'}
    asked = {"instructions": "Be brief.", "temperature": 0, "max_output_tokens": 100, "metadata": metadata}
    first, first_reply = await ask(**asked)
    _, second_reply = await ask(previous_response_id=first, background=True)
    _, plain_reply = await ask()
    forgotten, forgotten_reply = await ask(**asked)
    assert (await mira.delete(f"/v1/responses/{forgotten}")).status_code == 200

    messages = [message for room in (await export(mira))["chatrooms"] for message in room["messages"]]

    settings = {message["id"]: message["settings"] for message in messages}
    options = {"temperature": None, "top_p": None, "max_tokens": None, "stop": [], "seed": None}
    assert settings.pop(first_reply) == {
        "instructions": "Be brief.",
        "options": options | {"temperature": 0, "max_tokens": 100},
        "metadata": metadata,
        "background": False,
        "after": None,
    }
    assert settings.pop(second_reply) == {
        "instructions": None,
        "options": options,
        "metadata": {},
        "background": True,
        "after": first_reply,
    }
    assert {plain_reply, forgotten_reply} < set(settings)
    assert set(settings.values()) == {None}


async def test_usage_includes_days_that_are_too_old_for_the_history(site: Site, mira: Person) -> None:
    room = await mira.new_room()
    days = []
    for _ in range(2):
        days.insert(0, (await mira.get("/user/usage")).json()["day"])
        await mira.hear(room)
        site.clock.forward(days=40)
        await mira.sign_in(MIRA)

    found = (await export(mira))["usage"]

    assert [each["day"] for each in found] == days
    assert [each["used"] for each in found] == [1, 1]
    assert all(each["tokens"]["output"] > 0 for each in found)


async def test_an_unfinished_reply_is_exported(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate)
    reply = (await mira.ask(await mira.new_room()))["reply"]
    await gate.reached()

    (room,) = (await export(mira))["chatrooms"]

    assert [message["status"] for message in room["messages"]] == ["completed", "generating"]
    assert (await mira.get(address(reply))).json()["status"] == "generating"


async def test_nothing_of_another_account_is_exported(mira: Person, ravi: Person) -> None:
    await mira.hear(await mira.new_room("Mira's"))
    found = await export(ravi)
    assert (found["chatrooms"], found["usage"]) == ([], [])
    assert [session["current"] for session in found["sessions"]] == [True]


async def test_no_password_code_or_token_is_exported(mira: Person) -> None:
    set_one = await mira.post("/auth/change-password", json={"new_password": "a canary of a password"})
    assert set_one.status_code == 200, set_one.text
    key = (await mira.post("/user/keys", json={"name": "Nightly"})).json()
    text = (await mira.get("/user/me/export")).text
    assert key["prefix"] in text
    for secret in ("canary", "argon2", mira.token, "hash", key["key"]):
        assert secret not in text


async def test_an_export_needs_a_token(site: Site) -> None:
    refused(await site.visitor().get("/user/me/export"), 401, "token_invalid")
