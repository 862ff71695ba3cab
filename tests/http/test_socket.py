"""The WebSocket of a room: its first message, commands, events, limits and ends."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect
from litestar.types import ASGIApp

from parley.adapters.http.chat.socket.session import RoomSocket
from parley.bootstrap.processes import http_ports
from parley.core.tasks import cancel_and_wait
from parley.runtime.loop_lag import SAMPLES
from tests.fakes.virtual_lag import LATE, VirtualLag
from tests.http.conftest import Logs, OpenSite
from tests.http.document import Document
from tests.http.open_socket import OpenSocket, open_socket, ready_socket
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import ADMIN_TOKEN, Clock, Person, Site, opened, wired


async def test_a_message_by_the_socket_is_answered_as_by_http(site: Site, mira: Person, room: str) -> None:
    site.model.on("Where is it warm?", "Goa.")
    async with ready_socket(site.app, room, mira.token) as socket:
        await socket.tell(type="send", content="Where is it warm?", id="a1")
        frames = await socket.until("done")
    [result] = [frame for frame in frames if frame["type"] == "result"]
    [accepted] = [frame for frame in frames if frame["type"] == "accepted"]
    assert result["id"] == "a1"
    assert result["headers"]["Location"].endswith(result["reply"]["id"])
    assert result["headers"]["RateLimit"].startswith('"daily";r=999;')
    assert f"/messages/{result['reply']['id']}/stream?ticket=" in result["stream_url"]
    assert (accepted["message"], accepted["reply"]) == (result["message"], result["reply"])
    events = [frame for frame in frames if frame.get("message_id") == result["reply"]["id"]]
    assert [frame["type"] for frame in events] == ["start", "delta", "done"]
    assert (events[0]["attempt"], events[1]["text"]) == (1, "Goa.")
    found = await mira.get(f"/chatroom/{room}/messages/{result['reply']['id']}")
    assert events[2]["message"] == found.json()
    assert len({frame["event_id"] for frame in (accepted, *events)}) == 4


async def test_messages_by_http_reach_the_socket(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        asked = await mira.ask(room, "By HTTP")
        frames = await socket.until("done")
        assert [frame["type"] for frame in frames if frame["type"] != "delta"] == ["accepted", "start", "done"]
        assert frames[0]["reply"]["id"] == asked["reply"]["id"]
        again = await mira.post(f"/chatroom/{room}/messages/{asked['reply']['id']}/regenerate")
        frames = await socket.until("done")
        assert frames[0]["message"]["id"] == asked["message"]["id"]
        assert frames[0]["reply"]["id"] == again.json()["reply"]["id"]


async def test_a_client_resumes_after_the_last_event_that_it_has(site: Site, mira: Person, room: str) -> None:
    gate = Gate()
    site.model.on("Hello", "Half ", gate, "an answer.")
    async with ready_socket(site.app, room, mira.token) as socket:
        await mira.ask(room)
        seen = await socket.until("delta")
    async with ready_socket(site.app, room, mira.token, seen[-1]["event_id"]) as socket:
        gate.open()
        rest = await socket.until("done")
    assert [frame.get("text") for frame in rest[:-1]] == ["an answer."]
    # And after its end, from the database alone.
    async with ready_socket(site.app, room, mira.token, seen[-1]["event_id"]) as socket:
        assert "".join(frame.get("text", "") for frame in await socket.until("done")) == "an answer."


async def test_a_reply_is_stopped(site: Site, mira: Person, room: str) -> None:
    gate = Gate()
    site.model.on("Hello", "Half ", gate, "an answer.")
    async with ready_socket(site.app, room, mira.token) as socket:
        asked = await mira.ask(room)
        await socket.until("delta")
        await socket.tell(type="stop", message_id=asked["reply"]["id"], id="s")
        frames = [await socket.frame(), await socket.frame()]
    by_type = {frame["type"]: frame for frame in frames}
    assert by_type["result"]["message"]["status"] == "stopped"
    assert by_type["stopped"]["message"]["content"] == "Half "


async def test_an_idempotency_key_works_over_both_doors(site: Site, mira: Person, room: str) -> None:
    first = await mira.say(room, "Once", key="k")
    async with ready_socket(site.app, room, mira.token) as socket:
        again = await socket.answer(type="send", content="Once", idempotency_key="k")
        other = await socket.answer(type="send", content="Twice", idempotency_key="k")
    assert again["reply"]["id"] == first.json()["reply"]["id"]
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert (other["type"], other["status"], other["code"]) == ("error", 422, "idempotency_key_reused")


async def test_the_quota_is_that_of_http(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="1")
    mira = await site.person()
    room = await mira.new_room()
    async with ready_socket(site.app, room, mira.token) as socket:
        assert (await socket.answer(type="send", content="One"))["type"] == "result"
        refused = await socket.answer(type="send", content="Two")
    assert (refused["type"], refused["status"], refused["code"]) == ("error", 429, "quota_exceeded")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= refused["headers"].keys()
    assert await mira.used() == 1


COUNTED = {
    "a command": (json.dumps({"type": "stop", "message_id": str(uuid4())}), "message_not_found"),
    "a ping": ('{"type": "ping"}', None),
    "nothing": ("", "malformed_json"),
}


@pytest.mark.parametrize("name", COUNTED)
async def test_whatever_a_client_sends_counts_as_a_request_of_the_account(open_site: OpenSite, name: str) -> None:
    site = await open_site(ACCOUNT_REQUESTS_PER_MINUTE="10")
    mira = await site.person()
    room = await mira.new_room()
    text, code = COUNTED[name]
    async with ready_socket(site.app, room, mira.token) as socket:
        for _ in range(10):
            await socket.tell_text(text)
        answers = [await socket.frame() for _ in range(10)]
    assert answers[0].get("code") == code
    assert answers[-1]["code"] == "rate_limited"
    assert int(answers[-1]["headers"]["Retry-After"]) >= 1


async def test_commands_that_arrive_together_hold_nobody_up(site: Site, mira: Person, room: str) -> None:
    steps = 0

    async def step() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async with ready_socket(site.app, room, mira.token) as socket:
        await socket.tell(type="ping")
        assert (await socket.frame())["type"] == "result"
        for _ in range(1_000):
            await socket.tell_text("")
        stepping = asyncio.create_task(step())
        for _ in range(1_000):
            assert (await socket.frame())["type"] == "error"
        await cancel_and_wait(stepping)
    assert steps >= 1_000


REFUSED = {
    "no JSON": ("{", "malformed_json", None),
    "no object": ("[1]", "invalid_input", None),
    "no type": ('{"content": "x", "id": "1"}', "invalid_input", "1"),
    "an unknown type": ('{"type": "shout", "id": "1"}', "invalid_input", "1"),
    "an unknown field": ('{"type": "send", "content": "x", "colour": "red", "id": "1"}', "invalid_input", "1"),
    "no content": ('{"type": "send", "id": "1"}', "invalid_input", "1"),
    "blank content": ('{"type": "send", "content": "  ", "id": "1"}', "invalid_input", "1"),
    "long content": (json.dumps({"type": "send", "content": "x" * 32_001}), "invalid_input", None),
    "a message id that is none": ('{"type": "stop", "message_id": "x"}', "invalid_input", None),
    "an id that is too long": (json.dumps({"type": "ping", "id": "x" * 101}), "invalid_input", None),
    "an unknown model": ('{"type": "send", "content": "x", "model": "none/such"}', "unknown_model", None),
    "deep nesting": ("[" * 10_000, "invalid_input", None),
    "half a character": ('{"type": "send", "content": "\\ud800", "id": "1"}', "malformed_json", None),
}


async def test_a_refused_command_does_not_end_the_connection(
    site: Site, mira: Person, room: str, subtests: pytest.Subtests
) -> None:
    before = await site.rows()
    async with ready_socket(site.app, room, mira.token) as socket:
        for name, (text, code, id_) in REFUSED.items():
            with subtests.test(name):
                await socket.tell_text(text)
                frame = await socket.frame()
                assert (frame["type"], frame["status"], frame["code"], frame["id"]) == ("error", 400, code, id_)
        assert (await socket.answer(type="ping"))["type"] == "result"
    assert await site.rows() == before


NOT_SIGNED_IN = {
    "another command": {"type": "send", "content": "x"},
    "a token that is none": {"type": "auth", "token": "x"},
    "an unknown key": {"type": "auth", "token": "pk-nothing"},
}


@pytest.mark.parametrize("name", NOT_SIGNED_IN)
async def test_without_a_token_nothing_is_read(site: Site, room: str, name: str) -> None:
    async with open_socket(site.app, room) as socket:
        await socket.tell(**NOT_SIGNED_IN[name])
        refusal = await socket.frame()
        assert (refusal["type"], refusal["status"]) == ("error", 401)
        assert await socket.closed() == 4401


async def test_a_token_in_the_header_or_the_address_is_not_looked_at(site: Site, mira: Person, room: str) -> None:
    async with open_socket(site.app, room, authorization=f"Bearer {mira.token}") as socket:
        await socket.tell(type="ping")
        assert await socket.closed() == 4401


class QuickSocket(RoomSocket):
    first_seconds = 0.02
    send_seconds = 0.02
    heartbeat_seconds = 0.02


async def test_a_client_that_says_nothing_is_disconnected(site: Site, room: str) -> None:
    async with open_socket(quick(site, room), room) as socket:
        assert await socket.closed() == 4408


async def test_a_quiet_room_has_heartbeats(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(quick(site, room), room, mira.token) as socket:
        assert [await socket.frame() for _ in range(2)] == [{"type": "heartbeat"}] * 2


async def test_a_client_that_reads_nothing_is_disconnected(site: Site, mira: Person, room: str) -> None:
    async with open_socket(quick(site, room), room) as socket:
        socket.reads.clear()
        await socket.tell(type="auth", token=mira.token)
        assert await socket.closed() == 1008


def quick(site: Site, room: str) -> ASGIApp:
    """The socket of one room without what is around it, and less patient."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/chatroom/{chatroom_id:uuid}/socket"
        await QuickSocket(WebSocket(scope, receive, send), http_ports(site.parley), UUID(room)).serve()

    return application


GONE = [OSError(), RuntimeError("after sending 'websocket.close'"), WebSocketDisconnect(detail="no longer connected")]


@pytest.mark.parametrize("fault", GONE)
async def test_a_client_that_has_left_is_no_fault(
    site: Site, mira: Person, room: str, logs: Logs, fault: Exception
) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        socket.fault = fault
        await mira.ask(room)
        await socket.tell(type="ping")
        socket.leave()
        await socket.served()
    assert [entry for entry in logs if entry["log_level"] in {"error", "critical"}] == []


async def test_somebody_elses_room_is_not_found(site: Site, mira: Person, ravi: Person, room: str, logs: Logs) -> None:
    for which in (room, str(uuid4())):
        async with open_socket(site.app, which) as socket:
            await socket.tell(type="auth", token=ravi.token)
            assert (await socket.frame())["code"] == "chatroom_not_found"
            assert await socket.closed() == 4404
    assert [entry["how"] for entry in logs if entry["event"] == "foreign_id"] == ["chatroom"]


async def test_an_api_key_opens_a_socket_until_it_is_revoked(site: Site, mira: Person, room: str) -> None:
    key = (await mira.post("/user/keys", json={"name": "Nightly"})).json()
    async with ready_socket(site.app, room, key["key"]) as socket:
        await mira.delete(f"/user/keys/{key['id']}")
        assert await socket.closed() == 4401


async def test_the_end_of_the_session_ends_the_socket(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        await mira.post("/auth/logout")
        refusal = await socket.frame()
        assert (refusal["type"], refusal["code"], refusal["id"]) == ("error", "token_invalid", None)
        assert await socket.closed() == 4401


async def test_a_suspension_ends_the_sockets_of_the_account(site: Site, mira: Person, room: str) -> None:
    operator = site.visitor()
    operator.identify(ADMIN_TOKEN)
    account = (await mira.get("/user/me")).json()["id"]
    async with ready_socket(site.app, room, mira.token) as socket:
        assert (await operator.patch(f"/admin/accounts/{account}", json={"suspended": True})).status_code == 200
        assert (await socket.frame())["code"] == "account_suspended"
        assert await socket.closed() == 4401


async def test_an_overloaded_process_opens_no_socket(
    tmp_path: Path, clock: Clock, model: ScriptedModel, document: Document
) -> None:
    virtual = VirtualLag()
    parley = replace(wired(tmp_path / "parley.db", clock, model), loop_lag=virtual.lag)
    async with opened(parley, clock, model, document) as site:
        mira = await site.person()
        room = await mira.new_room()
        async with ready_socket(site.app, room, mira.token) as before, open_socket(site.app, room) as socket:
            assert await virtual.sample(*[LATE] * SAMPLES)
            await socket.tell(type="auth", token=mira.token)
            refusal = await socket.frame()
            assert (refusal["code"], refusal["headers"]["Retry-After"]) == ("overloaded", "5")
            assert await socket.closed() == 1013
            assert (await before.answer(type="ping"))["type"] == "result"


async def test_a_socket_lasts_as_long_as_its_token_which_can_be_renewed(site: Site, mira: Person, room: str) -> None:
    signed_in = await mira.sign_in("+919876543210")
    async with ready_socket(site.app, room, mira.token) as socket, ready_socket(site.app, room, mira.token) as other:
        site.clock.forward(minutes=10)
        pair = (await mira.post("/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})).json()
        assert (await socket.answer(type="auth", token=pair["access_token"]))["type"] == "result"
        site.clock.forward(minutes=10)
        assert await other.closed() == 4401
        assert (await socket.answer(type="ping"))["type"] == "result"


async def test_another_accounts_token_does_not_renew_a_socket(
    site: Site, mira: Person, ravi: Person, room: str
) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        assert (await socket.answer(type="auth", token=ravi.token))["code"] == "token_invalid"
        assert await socket.closed() == 4401


async def test_a_deleted_room_ends_its_sockets(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        await mira.delete(f"/chatroom/{room}")
        assert (await socket.frame())["code"] == "chatroom_not_found"
        assert await socket.closed() == 4404


async def test_a_shutdown_ends_the_sockets(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        for step in site.parley.on_api_shutdown:
            step()
        assert await socket.closed() == 1012


async def test_an_account_has_so_many_streams_and_sockets(open_site: OpenSite) -> None:
    site = await open_site(MAX_OPEN_STREAMS="1")
    mira = await site.person()
    room = await mira.new_room()
    async with ready_socket(site.app, room, mira.token), open_socket(site.app, room) as another:
        await another.tell(type="auth", token=mira.token)
        assert (await another.frame())["code"] == "rate_limited"
        assert await another.closed() == 4429


async def test_bytes_are_refused(site: Site, mira: Person, room: str) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        await socket.tell_bytes(b'{"type": "ping"}')
        assert await socket.closed() == 1003


async def test_an_unusable_last_event_id_is_refused(site: Site, mira: Person, room: str) -> None:
    for event_id in ("x", "1-2", "1.2.3", "1.2.3-4.5", "\u0661.2.3-4"):
        async with open_socket(site.app, room) as socket:
            await socket.tell(type="auth", token=mira.token, last_event_id=event_id)
            assert (await socket.frame())["errors"][0]["field"] == "last_event_id"
            assert await socket.closed() == 4400


ALLOWED = ["https://app.example.com", "http://parley.test", "https://parley.test", "HTTPS://API.Example.com"]


async def test_pages_of_known_origins_may_open_a_socket(open_site: OpenSite, subtests: pytest.Subtests) -> None:
    site = await open_site(CORS_ORIGINS="https://app.example.com", PUBLIC_URL="https://api.example.com/v2")
    for origin in ALLOWED:
        with subtests.test(origin):
            async with open_socket(site.app, str(uuid4()), origin=origin) as socket:
                await socket.tell(type="ping")
                assert await socket.closed() == 4401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "https://parley.test.evil.example", "file://", "http://["]
)
async def test_pages_of_other_origins_may_not(site: Site, origin: str) -> None:
    async with open_socket(site.app, str(uuid4()), origin=origin) as socket:
        pass
    assert socket.status == 403
    assert json.loads(socket.body)["code"] == "origin_not_allowed"
    assert socket.headers["content-type"] == "application/problem+json"
    assert "x-request-id" in socket.headers


NO_ROOM = f"/nowhere/chatroom/{uuid4()}/socket"


async def test_an_upgrade_without_a_route_is_a_problem(site: Site, logs: Logs) -> None:
    async with open_socket(site.app, NO_ROOM) as socket:
        pass
    refused_handshake(socket, 404, "not_found", logs)
    assert 'route="unmatched",status="404"' in (await site.visitor().get("/metrics")).text


async def test_an_upgrade_at_another_name_than_that_of_this_machine_is_a_problem(
    open_site: OpenSite, logs: Logs
) -> None:
    site = await open_site(ALLOW_SHOWN_CODES="0")
    here = ("127.0.0.1", 8000)
    async with open_socket(site.app, str(uuid4()), here, host="evil.example") as socket:
        pass
    refused_handshake(socket, 421, "misdirected_request", logs)
    async with open_socket(site.app, str(uuid4()), here, host="localhost") as socket:
        await socket.tell(type="ping")
        assert await socket.closed() == 4401


def refused_handshake(socket: OpenSocket, status: int, code: str, logs: Logs) -> None:
    assert (socket.status, json.loads(socket.body)["code"]) == (status, code)
    assert socket.headers["content-type"] == "application/problem+json"
    assert socket.headers["x-content-type-options"] == "nosniff"
    [entry] = [each for each in logs if each["event"] == "request"]
    assert (entry["status"], entry["request_id"]) == (status, socket.headers["x-request-id"])


async def test_a_request_without_an_upgrade_is_told_so(site: Site, room: str) -> None:
    answer = await site.visitor().get(f"/chatroom/{room}/socket")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")
    assert (answer.headers["upgrade"], answer.headers["connection"]) == ("websocket", "Upgrade")


async def test_a_socket_is_logged_and_counted_without_its_token(
    site: Site, mira: Person, room: str, logs: Logs
) -> None:
    async with ready_socket(site.app, room, mira.token) as socket:
        open_now = (await mira.get("/metrics")).text
        await socket.tell(type="send", content="A secret text")
        await socket.until("result")
    assert "parley_streams_open 1.0" in open_now
    [entry] = [each for each in logs if each["event"] == "request" and each["path"].endswith("/socket")]
    assert (entry["status"], entry["method"]) == (101, "GET")
    assert entry["account_id"]
    assert socket.headers["x-request-id"] == entry["request_id"]
    assert mira.token not in str(logs)
    assert "A secret text" not in str(logs)
