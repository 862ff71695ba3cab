"""Resources of another account can be neither read nor changed: they are not found."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from parley.adapters.http.openai.response_ids import conversation_id, message_item_id, response_id
from parley.bootstrap.processes import litestar_application
from tests.http.answers import refused
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site


@dataclass(frozen=True)
class Call:
    """A route with an id of an account's resource, its body, and the code of its 404."""

    method: str
    route: str
    code: str
    body: dict[str, Any] | None = None

    async def by(self, person: Person, things: dict[str, str]) -> httpx.Response:
        path = re.sub(r"\{(\w+):(?:uuid|str)\}", lambda name: things[name[1]], self.route)
        return await person.request(self.method, path, json=self.body)


ROOM = "/chatroom/{chatroom_id:uuid}"
MESSAGE = f"{ROOM}/messages/{{message_id:uuid}}"
RESPONSE = "/v1/responses/{response_id:str}"
CONVERSATION = "/v1/conversations/{conversation_id:str}"
# What OpenAI's shape of an error names.
PARAMS = {
    "response_not_found": ["response_id"],
    "conversation_not_found": ["conversation"],
    "item_not_found": ["item_id"],
}
CALLS = [
    Call("GET", ROOM, "chatroom_not_found"),
    Call("PATCH", ROOM, "chatroom_not_found", {"name": "Mine now"}),
    Call("DELETE", ROOM, "chatroom_not_found"),
    Call("POST", f"{ROOM}/message", "chatroom_not_found", {"content": "Let me in"}),
    Call("GET", f"{ROOM}/messages", "chatroom_not_found"),
    Call("GET", MESSAGE, "message_not_found"),
    Call("GET", f"{MESSAGE}/stream", "message_not_found"),
    Call("POST", f"{MESSAGE}/stop", "message_not_found"),
    Call("PUT", f"{ROOM}/head", "chatroom_not_found", {"message_id": "01a1fe30-5c00-7a31-8d52-6f0b1c9e4a04"}),
    Call("POST", f"{MESSAGE}/edit", "chatroom_not_found", {"content": "Let me in"}),
    Call("POST", f"{MESSAGE}/regenerate", "chatroom_not_found"),
    Call("PUT", f"{MESSAGE}/feedback", "message_not_found", {"rating": "up"}),
    Call("DELETE", f"{MESSAGE}/feedback", "message_not_found"),
    Call("POST", f"{ROOM}/share", "chatroom_not_found"),
    Call("GET", f"{ROOM}/share", "chatroom_not_found"),
    Call("DELETE", f"{ROOM}/share", "chatroom_not_found"),
    Call("DELETE", "/auth/sessions/{session_id:uuid}", "session_not_found"),
    Call("DELETE", "/user/keys/{api_key_id:uuid}", "api_key_not_found"),
    Call("GET", RESPONSE, "response_not_found"),
    Call("DELETE", RESPONSE, "response_not_found"),
    Call("POST", f"{RESPONSE}/cancel", "response_not_found"),
    Call("GET", f"{RESPONSE}/input_items", "response_not_found"),
    Call("GET", CONVERSATION, "conversation_not_found"),
    Call("POST", CONVERSATION, "conversation_not_found", {"metadata": {}}),
    Call("DELETE", CONVERSATION, "conversation_not_found"),
    Call("GET", f"{CONVERSATION}/items", "conversation_not_found"),
    Call("POST", f"{CONVERSATION}/items", "conversation_not_found", {"items": [{"role": "user", "content": "Me"}]}),
    Call("GET", f"{CONVERSATION}/items/{{item_id:str}}", "item_not_found"),
    Call("DELETE", f"{CONVERSATION}/items/{{item_id:str}}", "item_not_found"),
]
CALLS_ON_A_MESSAGE = [call for call in CALLS if call.route.startswith(MESSAGE)]


@pytest.fixture
async def running(mira: Person, model: ScriptedModel) -> dict[str, Any]:
    """A reply of Mira that is being written."""
    gate = Gate()
    model.on("Hello", gate)
    reply = (await mira.ask(await mira.new_room("Mira's")))["reply"]
    await gate.reached()
    return reply


@pytest.fixture
async def miras(mira: Person, running: dict[str, Any]) -> dict[str, str]:
    """The ids for the calls."""
    [session] = (await mira.get("/auth/sessions")).json()["items"]
    key = (await mira.post("/user/keys", json={"name": "Mira's"})).json()
    return {
        "chatroom_id": running["chatroom_id"],
        "message_id": running["id"],
        "session_id": session["id"],
        "api_key_id": key["id"],
        "response_id": response_id(UUID(running["id"])),
        "conversation_id": conversation_id(UUID(running["chatroom_id"])),
        "item_id": message_item_id(UUID(running["reply_to"])),
    }


def test_every_route_with_an_id_is_listed(site: Site) -> None:
    routes = {
        (method, route.path)
        for route in litestar_application(site.parley).routes
        for method in route.methods - {"OPTIONS"}
        # The operator's are refused to all accounts: test_operator.py. A WebSocket is no request: test_socket.py.
        if re.search(r"\{\w+_id:", route.path)
        and not route.path.startswith("/admin/")
        and not route.path.endswith("/socket")
    }
    assert routes == {(call.method, call.route) for call in CALLS}


async def test_resources_of_another_account_are_not_found(
    site: Site, ravi: Person, miras: dict[str, str], subtests: pytest.Subtests
) -> None:
    before = await site.rows()
    for call in CALLS:
        with subtests.test(call=call):
            answer = await call.by(ravi, miras)
            refused(answer, 404, call.code, *PARAMS.get(call.code, []))
            assert "mira" not in answer.text.lower()
            assert await site.rows() == before


async def test_resources_of_another_account_look_like_unknown_ones(
    ravi: Person, miras: dict[str, str], subtests: pytest.Subtests
) -> None:
    for call in CALLS:
        with subtests.test(call=call):
            anothers = await call.by(ravi, miras)
            nobodys = await call.by(
                ravi,
                {name: str(uuid4()) for name in miras}
                | {
                    "response_id": response_id(uuid4()),
                    "conversation_id": conversation_id(uuid4()),
                    "item_id": message_item_id(uuid4()),
                },
            )
            assert anothers.status_code == nobodys.status_code == 404
            assert anothers.content == nobodys.content


async def test_a_message_is_found_only_in_its_room(
    site: Site, mira: Person, ravi: Person, miras: dict[str, str], subtests: pytest.Subtests
) -> None:
    elsewhere = [(ravi, await ravi.new_room("Ravi's")), (mira, await mira.new_room("Another of Mira's"))]
    before = await site.rows()
    for call in CALLS_ON_A_MESSAGE:
        for person, room in elsewhere:
            with subtests.test(call=call):
                refused(await call.by(person, miras | {"chatroom_id": room}), 404, "message_not_found")
                assert await site.rows() == before


async def test_lists_and_usage_contain_only_the_callers_own(mira: Person, ravi: Person) -> None:
    await mira.hear(await mira.new_room("Mira's"))
    room = await ravi.new_room("Ravi's")
    rooms = (await ravi.get("/chatroom")).json()["items"]
    assert [each["id"] for each in rooms] == [room]
    usage = (await ravi.get("/user/usage")).json()
    assert (usage["used"], usage["tokens"]) == (0, {"input": 0, "output": 0, "estimated": 0})


async def test_a_cursor_of_another_account_lists_only_the_callers_rooms(mira: Person, ravi: Person) -> None:
    for name in "abc":
        await mira.new_room(name)
    cursor = (await mira.get("/chatroom", params={"limit": 1})).json()["next_cursor"]
    own = await ravi.new_room("Ravi's")
    page = (await ravi.get("/chatroom", params={"cursor": cursor})).json()
    assert {room["id"] for room in page["items"]} <= {own}
