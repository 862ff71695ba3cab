"""Shared conversations: making, reading and ending them, as JSON."""

import asyncio
from typing import Any

import httpx
import pytest

from parley.core.chat.language_model import Reasoning
from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import ADMIN_TOKEN, Clock, Person, Site, address


async def share(person: Person, room: str) -> str:
    """Share the room and return the path of the copy."""
    made = await person.post(f"/chatroom/{room}/share")
    assert made.status_code == 201, made.text
    return path_of(made)


def path_of(response: httpx.Response) -> str:
    return httpx.URL(response.json()["url"]).path


async def copied(site: Site, path: str, **query: Any) -> dict[str, Any]:
    answer = await site.visitor().get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def test_everyone_with_the_address_reads_the_copy(site: Site, mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("A secret thought."), "Good day.")
    room = await mira.new_room("Holiday plans", instructions="Be polite.")
    reply = await mira.hear(room)
    await mira.put(f"{address(reply)}/feedback", json={"rating": "down", "comment": "Too short."})

    made = await mira.post(f"/chatroom/{room}/share")
    assert made.status_code == 201
    url = httpx.URL(made.json()["url"])
    assert (url.scheme, url.host) == ("http", "parley.test")
    assert len(url.path.removeprefix("/shared/")) >= 22
    assert await copied(site, url.path) == {
        "title": "Holiday plans",
        "created_at": made.json()["created_at"],
        "items": [
            {"role": "user", "content": "Hello", "status": "completed", "model": None, "finish_reason": None},
            {
                "role": "assistant",
                "content": "Good day.",
                "status": "completed",
                "model": "scripted/one",
                "finish_reason": "stop",
            },
        ],
        "next_cursor": None,
    }
    assert (await mira.get(f"/chatroom/{room}/share")).json() == made.json()


async def test_copy_changes_only_when_it_is_made_again(site: Site, mira: Person, clock: Clock) -> None:
    room = await mira.new_room()
    reply = await mira.hear(room)
    path = await share(mira, room)
    before = await copied(site, path)

    await mira.patch(f"/chatroom/{room}", json={"name": "Another name", "archived": True})
    edited = await mira.post(f"/chatroom/{room}/messages/{reply['reply_to']}/edit", json={"content": "Again"})
    await mira.ended(edited.json()["reply"])
    assert await copied(site, path) == before

    clock.forward(seconds=5)
    assert await share(mira, room) == path
    again = await copied(site, path)
    assert (again["title"], [item["content"] for item in again["items"]]) == (
        "Another name",
        ["Again", "You said: Again"],
    )
    assert again["created_at"] > before["created_at"]


async def test_parallel_requests_make_one_address(mira: Person, room: str) -> None:
    paths = await asyncio.gather(*(share(mira, room) for _ in range(10)))
    assert len(set(paths)) == 1


async def test_sharing_ends_at_once_and_for_good(site: Site, mira: Person, room: str) -> None:
    refused(await mira.get(f"/chatroom/{room}/share"), 404, "not_shared")
    path = await share(mira, room)
    for _ in range(2):
        ended = await mira.delete(f"/chatroom/{room}/share")
        assert (ended.status_code, ended.content) == (204, b"")
        refused(await site.visitor().get(path), 404, "share_not_found")
        refused(await mira.get(f"/chatroom/{room}/share"), 404, "not_shared")
    assert await share(mira, room) != path
    refused(await site.visitor().get(path), 404, "share_not_found")


@pytest.mark.parametrize("what", ["chatroom", "account"])
async def test_copy_goes_with_its(site: Site, mira: Person, room: str, what: str) -> None:
    path = await share(mira, room)
    gone = await mira.delete(f"/chatroom/{room}" if what == "chatroom" else "/user/me")
    assert gone.status_code == 204
    refused(await site.visitor().get(path), 404, "share_not_found")


async def test_copy_of_a_suspended_account_is_not_shown(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    operator = site.visitor()
    operator.identify(ADMIN_TOKEN)
    account = f"/admin/accounts/{(await mira.get('/user/me')).json()['id']}"
    assert (await operator.patch(account, json={"suspended": True})).status_code == 200
    refused(await site.visitor().get(path), 404, "share_not_found")
    assert (await operator.patch(account, json={"suspended": False})).status_code == 200
    assert (await copied(site, path))["title"] == "Holiday plans"


async def test_copy_of_an_archived_chatroom_stays(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    await mira.patch(f"/chatroom/{room}", json={"archived": True})
    assert (await copied(site, path))["items"] == []
    assert await share(mira, room) == path


async def test_reply_that_is_being_written_is_left_out(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "one ", gate, "two")
    room = await mira.new_room()
    accepted = await mira.ask(room)
    await gate.reached()
    path = await share(mira, room)
    gate.open()
    await mira.ended(accepted["reply"])
    assert [item["content"] for item in (await copied(site, path))["items"]] == ["Hello"]


async def test_long_copy_is_read_in_pages(site: Site, mira: Person, room: str) -> None:
    for number in range(4):
        await mira.hear(room, str(number))
    path = await share(mira, room)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await copied(site, path, limit=3, **({} if cursor is None else {"cursor": cursor}))
        found += [item["content"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [text for number in range(4) for text in (str(number), f"You said: {number}")]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"cursor": "x"}, "cursor"), ({"cursor": "LTE"}, "cursor"), ({"limit": 0}, "limit"), ({"limit": 101}, "limit")],
)
async def test_wrong_pages_are_refused(site: Site, mira: Person, room: str, query: dict[str, Any], field: str) -> None:
    path = await share(mira, room)
    refused(await site.visitor().get(path, params=query), 400, "invalid_input", field)


async def test_page_behind_the_end_is_empty(site: Site, mira: Person, room: str) -> None:
    await mira.hear(room)
    page = await copied(site, await share(mira, room), cursor="OTk5OTk5OTk5")
    assert (page["items"], page["next_cursor"]) == ([], None)


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00" * 43, "%ff" * 43, "%3Cscript%3E", "a" * 5_000, "' OR 1=1 --"])
async def test_guessed_tokens_are_not_found(site: Site, mira: Person, room: str, token: str) -> None:
    await share(mira, room)
    refused(await site.visitor().get(f"/shared/{token}"), 404, "share_not_found")


async def test_token_is_compared_with_its_case(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    refused(await site.visitor().get("/shared/" + path.removeprefix("/shared/").swapcase()), 404, "share_not_found")


async def test_address_begins_with_public_url(open_site: OpenSite) -> None:
    site = await open_site(PUBLIC_URL="https://chat.example/api/")
    mira = await site.person()
    room = await mira.new_room()
    made = await mira.post(f"/chatroom/{room}/share", headers={"Host": "evil.example"})
    assert made.json()["url"].startswith("https://chat.example/api/shared/")
    [exported] = (await mira.get("/user/me/export")).json()["chatrooms"]
    assert exported["share"] == made.json()


async def test_address_with_a_token_is_not_logged(site: Site, mira: Person, room: str, logs: Logs) -> None:
    path = await share(mira, room)
    for spelling in (
        path,
        f"{path}/",
        f"/api{path}",
        f"/api/{path}",
        f"{path}/more",
        path.replace("/shared", "/Shared"),
    ):
        await site.visitor().get(spelling)
    assert [entry["path"] for entry in logs if "…" in entry.get("path", "")] == [
        "/shared/…", "/shared/…", "/api/shared/…", "/api//shared/…", "/shared/…", "/Shared/…"
    ]  # fmt: skip
    assert path.removeprefix("/shared/") not in repr(logs)


async def test_addresses_of_readers_are_limited(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    reader = site.visitor("192.0.2.7")
    answers = [await reader.get("/shared/none") for _ in range(300)]
    assert {answer.status_code for answer in answers} == {404}
    late = await reader.get(path)
    refused(late, 429, "rate_limited")
    assert int(late.headers["retry-after"]) <= 60
    page = await reader.get(path, headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["retry-after"]) == (429, late.headers["retry-after"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    # Another address is not affected, nor is signing in.
    assert (await site.visitor("192.0.2.8").get(path)).status_code == 200
    assert (await reader.post("/auth/send-otp", json={"mobile_number": "+919876543215"})).status_code == 200


async def test_token_of_an_account_is_not_asked_for(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    visitor = site.visitor()
    visitor.identify("nonsense")
    assert (await visitor.get(path)).status_code == 200


async def test_copy_is_never_cached(site: Site, mira: Person, room: str) -> None:
    path = await share(mira, room)
    for headers in ({}, {"If-None-Match": "*"}, {"If-Modified-Since": "Sat, 14 Mar 2037 12:00:00 GMT"}):
        answer = await site.visitor().get(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert answer.headers["vary"] == "Accept"
