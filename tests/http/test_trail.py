"""Refused tokens, ids of other accounts, and throttled addresses are lines of the audit trail."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import SETTINGS, Clock, Person, Site, address

HERE = "192.0.2.77"
SECRET = SETTINGS["JWT_SECRET"]
KEY_ID = hashlib.sha256(SECRET.encode()).hexdigest()[:8]


def lines(logs: Logs, event: str) -> list[dict[str, Any]]:
    """The lines of the event, without the fields that every line of a request has but for its address."""
    found = [dict(entry) for entry in logs if entry["event"] == event]
    for entry in found:
        assert entry.pop("request_id")
        assert entry.pop("event") == event
        # A stream's lines have it too.
        entry.pop("reply_id", None)
    return found


def forged(token: str, *, secret: str = SECRET, key_id: str = KEY_ID, **claims: Any) -> str:
    """The claims of the token, or others, signed anew."""
    given = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(given | claims, secret, "HS256", headers={"kid": key_id})


async def refusal(site: Site, logs: Logs, header: str) -> dict[str, Any] | None:
    before = len(lines(logs, "token_refused"))
    answer = await site.visitor(HERE).get("/user/me", headers={"Authorization": header})
    refused(answer, 401, "token_invalid")
    [*found] = lines(logs, "token_refused")[before:]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("forge", "how"),
    [
        (lambda _: "x" * 40, "malformed"),
        (lambda token: token.rpartition(".")[0], "malformed"),
        (lambda token: f"{token}ä", "malformed"),
        (lambda _: "x" * 5_000, "malformed"),
        (lambda token: forged(token, secret="x" * 40), "signature"),
        (lambda token: forged(token, key_id="another"), "unknown_key"),
        (lambda token: forged(token, aud="parley:stream"), "claims"),
        (lambda token: forged(token, sub="no uuid"), "claims"),
        (lambda token: forged(token, iat=4_000_000_000), "from_the_future"),
    ],
)
async def test_a_refused_token_is_a_warning_with_the_reason_and_the_address(
    site: Site, mira: Person, logs: Logs, forge: Any, how: str
) -> None:
    token = forge(mira.token)
    line = await refusal(site, logs, f"Bearer {token}".encode("utf-8", "replace"))
    assert line == {"address": HERE, "how": how, "log_level": "warning"}
    assert all(token not in str(entry) for entry in logs)


async def test_another_scheme_is_malformed_and_no_token_is_no_line(site: Site, logs: Logs) -> None:
    assert await refusal(site, logs, "Basic bWlyYTpwYXNz") == {
        "address": HERE, "how": "malformed", "log_level": "warning"
    }  # fmt: skip
    assert await refusal(site, logs, "") is None


async def test_an_expired_token_is_no_warning(site: Site, mira: Person, clock: Clock, logs: Logs) -> None:
    clock.forward(minutes=16)
    line = await refusal(site, logs, f"Bearer {mira.token}")
    assert line == {"address": HERE, "how": "expired", "log_level": "info"}


async def test_a_revoked_token_is_a_line_with_its_account(site: Site, mira: Person, logs: Logs) -> None:
    account = (await mira.get("/user/me")).json()["id"]
    await mira.post("/auth/logout")
    line = await refusal(site, logs, f"Bearer {mira.token}")
    assert line == {"address": HERE, "how": "revoked", "log_level": "warning", "account_id": account}


async def test_a_refused_ticket_is_a_line(site: Site, mira: Person, clock: Clock, logs: Logs) -> None:
    room = await mira.new_room()
    first, second = await mira.ask(room), await mira.ask(room)
    url, ticket = second["stream_url"].split("=")
    visitor = site.visitor(HERE)
    refused(await visitor.get(f"{first['stream_url'].split('=')[0]}={ticket}"), 401, "ticket_invalid")
    refused(await visitor.get(f"{url}=x{ticket}"), 401, "ticket_invalid")
    await mira.ended(first["reply"])
    await mira.ended(second["reply"])
    clock.forward(minutes=11)
    refused(await visitor.get(f"{url}={ticket}"), 401, "ticket_invalid")
    assert [line["how"] for line in lines(logs, "token_refused")] == ["other_reply", "malformed", "expired"]
    assert {line["address"] for line in lines(logs, "token_refused")} == {HERE}


async def test_ids_of_another_account_are_lines_and_unknown_ones_are_not(
    site: Site, mira: Person, ravi: Person, logs: Logs
) -> None:
    reply = await mira.hear(await mira.new_room())
    [session] = (await mira.get("/auth/sessions")).json()["items"]
    account, own = (await ravi.get("/user/me")).json()["id"], await ravi.new_room()
    room = f"/chatroom/{reply['chatroom_id']}"
    paths = {
        room: ["chatroom"],
        f"{room}/messages": ["chatroom"],
        address(reply): ["chatroom", "message"],
        f"{address(reply)}/stream": ["chatroom", "message"],
        f"/chatroom/{own}/messages/{reply['id']}": ["message"],
        f"/v1/responses/resp_{UUID(reply['id']).hex}": ["response"],
        f"/v1/responses/resp_{uuid4().hex}": [],
        "/v1/responses/resp_1": [],
        f"/chatroom/{uuid4()}": [],
        f"/chatroom/{own}/messages/{uuid4()}": [],
    }
    for path, expected in paths.items():
        before = len(lines(logs, "foreign_id"))
        assert (await ravi.get(path)).status_code == 404
        found = lines(logs, "foreign_id")[before:]
        assert found == [
            {"address": "127.0.0.1", "how": how, "account_id": account, "log_level": "warning"} for how in expected
        ], path
    for session_id, expected_lines in ((session["id"], 1), (uuid4(), 0)):
        before = len(lines(logs, "foreign_id"))
        assert (await ravi.delete(f"/auth/sessions/{session_id}")).status_code == 404
        assert [line["how"] for line in lines(logs, "foreign_id")[before:]] == ["session"] * expected_lines


async def test_a_key_of_another_account_is_a_line(mira: Person, ravi: Person, logs: Logs) -> None:
    key = (await mira.post("/user/keys", json={"name": "Mira's"})).json()
    assert (await ravi.delete(f"/user/keys/{key['id']}")).status_code == 404
    assert (await ravi.delete(f"/user/keys/{uuid4()}")).status_code == 404
    assert [line["how"] for line in lines(logs, "foreign_id")] == ["api_key"]


async def test_own_ids_that_are_not_found_are_no_lines(mira: Person, logs: Logs) -> None:
    [session] = (await mira.get("/auth/sessions")).json()["items"]
    reply, elsewhere = await mira.hear(await mira.new_room()), await mira.new_room()
    assert (await mira.get(f"/chatroom/{elsewhere}/messages/{reply['id']}")).status_code == 404
    assert (await mira.post("/auth/logout")).status_code == 204
    await mira.sign_in("+919876543210")
    assert (await mira.delete(f"/auth/sessions/{session['id']}")).status_code == 404
    assert lines(logs, "foreign_id") == []


async def test_a_throttled_address_is_a_line(open_site: OpenSite, logs: Logs) -> None:
    visitor = (await open_site(AUTH_REQUESTS_PER_MINUTE="1")).visitor(HERE)
    await visitor.post("/auth/send-otp", json={})
    refused(await visitor.post("/auth/send-otp", json={}), 429, "rate_limited")
    assert lines(logs, "throttled") == [{"address": HERE, "how": "address", "log_level": "warning"}]
