"""API keys: making and revoking them, where they stand in for an access token, and that the account pays."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from parley.adapters.http.auth import accepts_keys
from parley.bootstrap.processes import litestar_application
from parley.core.accounts.api_keys import MOST_KEYS, make_key
from tests.http.answers import events, refused
from tests.http.conftest import Logs, OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Clock, Person, Site
from tests.http.test_tokens import PUBLIC

FIELDS = {"id", "name", "prefix", "created_at", "expires_at", "last_used_at", "unmetered"}


async def made(person: Person, **fields: Any) -> dict[str, Any]:
    answer = await person.post("/user/keys", json={"name": "Nightly"} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def listed(person: Person) -> list[dict[str, Any]]:
    answer = await person.get("/user/keys")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def program(site: Site, key: dict[str, Any]) -> Person:
    """A client with the key."""
    visitor = site.visitor()
    visitor.identify(key["key"])
    return visitor


async def test_a_key_is_shown_once_and_listed_by_its_prefix(mira: Person) -> None:
    key = await made(mira, expires_at="2027-01-01T00:00:00+05:30")
    assert set(key) == FIELDS | {"key"}
    assert re.fullmatch(r"pk-[\w-]{43}", key["key"])
    assert key["key"].startswith(key["prefix"])
    assert key["expires_at"] == "2026-12-31T18:30:00Z"
    answer = await mira.get("/user/keys")
    assert key["key"] not in answer.text
    [shown] = answer.json()["items"]
    assert shown == {name: key[name] for name in FIELDS}


async def test_keys_are_listed_page_by_page(mira: Person) -> None:
    keys = [(await made(mira, name=name))["id"] for name in "abc"]
    first = (await mira.get("/user/keys", params={"limit": 2})).json()
    rest = (await mira.get("/user/keys", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [key["id"] for key in first["items"] + rest["items"]] == keys[::-1]
    assert rest["next_cursor"] is None


WRONG = [
    ({"name": ""}, "name"),
    ({"name": "x" * 101}, "name"),
    ({}, "name"),
    ({"name": "x", "expires_at": "2026-03-14T12:00:00Z"}, "expires_at"),
    ({"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
    ({"name": "x", "expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
    ({"name": "x", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
    ({"name": "x", "expires_at": 7}, "expires_at"),
    ({"name": "x", "scopes": ["chat"]}, "scopes"),
]


async def test_a_wrong_key_is_bad_input(mira: Person, subtests: pytest.Subtests) -> None:
    for body, field in WRONG:
        with subtests.test(body=body):
            refused(await mira.post("/user/keys", json=body), 400, "invalid_input", field)


async def test_the_number_of_keys_and_of_new_ones_in_an_hour_is_bounded(site: Site, mira: Person) -> None:
    keys = [await made(mira) for _ in range(MOST_KEYS - 1)]
    account_id = (await mira.get("/user/me")).json()["id"]
    await make_key(site.parley.accounts, account_id=UUID(account_id), name="One more", expires_at=None)
    refused(await mira.post("/user/keys", json={"name": "x"}), 409, "too_many_api_keys")
    assert (await mira.delete(f"/user/keys/{keys[0]['id']}")).status_code == 204
    refused(await mira.post("/user/keys", json={"name": "x"}), 429, "rate_limited")


async def test_a_key_chats_as_its_account(site: Site, mira: Person) -> None:
    key = await made(mira)
    bot = program(site, key)
    room = await bot.new_room("Made by a program")
    accepted = await bot.ask(room, "Hello")
    assert (await bot.ended(accepted["reply"]))["status"] == "completed"
    assert events(await bot.get(accepted["stream_url"]))[-1].name == "done"
    assert events(await site.visitor().get(accepted["stream_url"]))[-1].name == "done"
    for path in ("/models", "/chatroom", f"/chatroom/{room}", "/search?q=hello", "/user/usage", "/chatroom/usage"):
        assert (await bot.get(path)).status_code == 200, path
    assert (await mira.get(f"/chatroom/{room}")).status_code == 200
    assert await mira.used() == 1


async def test_the_quota_is_the_accounts(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="3")
    mira = await site.person()
    bots = [program(site, await made(mira)) for _ in range(2)]
    room = await mira.new_room()
    for each in (mira, *bots):
        await each.hear(room)
    for each in (mira, *bots):
        refused(await each.say(room), 429, "quota_exceeded")


async def test_the_request_limit_is_the_accounts(open_site: OpenSite) -> None:
    site = await open_site(ACCOUNT_REQUESTS_PER_MINUTE="5")
    mira = await site.person()
    bot = program(site, await made(mira))
    for _ in range(4):
        assert (await bot.get("/models")).status_code == 200
    refused(await bot.get("/models"), 429, "rate_limited")
    refused(await mira.get("/models"), 429, "rate_limited")


async def test_a_key_is_accepted_at_no_other_route(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    bot = program(site, await made(mira))
    before = await site.rows()
    for route in litestar_application(site.parley).routes:
        for method in sorted(route.methods - {"OPTIONS"}):
            if (method, route.path) in PUBLIC or accepts_keys(route.path):
                continue
            with subtests.test(method=method, route=route.path):
                path = re.sub(r"\{[^}]+\}", str(uuid4()), route.path)
                code = "admin_token_invalid" if path.startswith("/admin/") else "api_key_not_accepted"
                refused(await bot.request(method, path, json={}), 401, code)
    assert await site.rows() == before


def test_the_document_says_where_a_key_is_accepted(site: Site) -> None:
    paths = site.document.content["paths"]
    accepted = {
        path
        for path, item in paths.items()
        for operation in item.values()
        if {"api_key": []} in operation.get("security", [])
    }
    assert accepted == {path for path in paths if accepts_keys(path)}


def test_keys_are_accepted_at_whole_segments_of_a_path() -> None:
    assert accepts_keys("/chatroom/{chatroom_id:uuid}")
    assert not accepts_keys("/chatrooms")
    assert not accepts_keys("/user/usages")


@pytest.mark.parametrize("key", ["pk-", "pk-x", "pk-" + "a" * 43, "pk-" + "a" * 4_000])
async def test_an_unknown_key_is_refused(site: Site, key: str, logs: Logs) -> None:
    visitor = site.visitor()
    visitor.identify(key)
    assert refused(await visitor.get("/models"), 401, "api_key_invalid")["detail"].startswith("This API key")
    assert [entry["how"] for entry in logs if entry["event"] == "token_refused"]


async def test_a_revoked_key_is_refused_at_once_with_its_tickets_and_streams(
    site: Site, mira: Person, model: ScriptedModel
) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate)
    key = await made(mira)
    bot = program(site, key)
    accepted = await bot.ask(await bot.new_room())
    await gate.reached()
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        assert (await stream.event()).name == "start"
        answer = await mira.delete(f"/user/keys/{key['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        refused(await bot.get("/models"), 401, "token_invalid")
        refused(await bot.get(accepted["stream_url"].partition("?")[0]), 401, "token_invalid")
        refused(await site.visitor().get(accepted["stream_url"]), 401, "token_invalid")
        assert "done" not in {event.name for event in await stream.rest()}
    assert await listed(mira) == []
    refused(await mira.delete(f"/user/keys/{key['id']}"), 404, "api_key_not_found")


async def test_an_expired_key_is_refused(site: Site, mira: Person, clock: Clock) -> None:
    bot = program(site, await made(mira, expires_at="2026-03-14T12:00:10Z"))
    assert (await bot.get("/models")).status_code == 200
    clock.forward(seconds=10)
    refused(await bot.get("/models"), 401, "api_key_invalid")


async def test_the_last_use_is_shown_to_the_minute(site: Site, mira: Person, clock: Clock) -> None:
    key = await made(mira)
    bot, first = program(site, key), clock.now
    await bot.get("/models")
    clock.forward(seconds=59)
    await bot.get("/models")
    [shown] = await listed(mira)
    assert shown["last_used_at"] == first.isoformat().replace("+00:00", "Z")


async def test_a_key_outlives_sessions_and_a_new_password(site: Site, mira: Person) -> None:
    bot = program(site, await made(mira))
    changed = await mira.post("/auth/change-password", json={"new_password": "correct horse battery staple"})
    assert changed.status_code == 200
    assert (await mira.post("/auth/logout")).status_code == 204
    assert (await bot.get("/models")).status_code == 200


async def test_a_key_does_not_outlive_its_account(site: Site, mira: Person) -> None:
    bot = program(site, await made(mira))
    assert (await bot.get("/models")).status_code == 200
    assert (await mira.delete("/user/me")).status_code == 204
    refused(await bot.get("/models"), 401, "token_invalid")


async def test_log_lines_of_a_key_name_it_and_never_show_it(site: Site, mira: Person, logs: Logs) -> None:
    key = await made(mira)
    await program(site, key).get("/models")
    await mira.delete(f"/user/keys/{key['id']}")
    by_key = [entry for entry in logs if entry.get("api_key_id") == key["id"]]
    assert [entry["event"] for entry in by_key] == ["api_key_made", "request", "api_key_revoked"]
    assert key["key"] not in repr(logs)
