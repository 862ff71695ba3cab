"""Creating, reading, changing and deleting a chatroom."""

import asyncio

import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Clock, Person, Site, address

FULL = {"name": "Holiday plans", "model": "scripted/two", "instructions": "Answer in one short paragraph."}


NAMES = ["x", "x" * 200, "😀" * 200, "Ünïcödé  \u2028 漢字", " "]


async def test_any_name_of_1_to_200_characters_is_valid(mira: Person, subtests: pytest.Subtests) -> None:
    for name in NAMES:
        with subtests.test(name=name[:20]):
            made = await mira.post("/chatroom", json={"name": name})
            assert made.status_code == 201
            assert (await mira.get(f"/chatroom/{made.json()['id']}")).json()["name"] == name


async def test_a_room_is_stored_as_given(mira: Person) -> None:
    made = await mira.post("/chatroom", json=FULL)
    assert made.status_code == 201
    assert made.json().items() >= FULL.items()
    read = await mira.get(f"/chatroom/{made.json()['id']}")
    assert read.status_code == 200
    assert read.json() == made.json() | {"messages": [], "next_cursor": None}


WRONG = [
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"name": 7}, "name"),
    ({"name": ["x"]}, "name"),
    ({"name": None}, "name"),
    ({"name": "x", "instructions": ""}, "instructions"),
    ({"name": "x", "instructions": "x" * 32_001}, "instructions"),
    ({"name": "x", "instructions": "\x00"}, "instructions"),
    ({"name": "x", "model": 7}, "model"),
    ({"name": "x", "model": "x" * 201}, "model"),
    ({"name": "x", "id": "y"}, "id"),
    ({"name": "x", "account_id": "y"}, "account_id"),
    ({"name": "x", "odd `field`": "y"}, "odd `field`"),
]


async def test_an_invalid_field_creates_nothing(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    for body, field in WRONG:
        with subtests.test(body=str(body)[:60]):
            before = await site.rows()
            refused(await mira.post("/chatroom", json=body), 400, "invalid_input", field)
            assert await site.rows() == before


async def test_an_invalid_field_changes_nothing(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    for body, field in WRONG:
        with subtests.test(body=str(body)[:60]):
            room = await mira.new_room(**FULL)
            before = await site.rows()
            refused(await mira.patch(f"/chatroom/{room}", json=body), 400, "invalid_input", field)
            assert await site.rows() == before


CHANGES = [
    {"name": "Winter plans"},
    {"model": "scripted/one"},
    {"model": None},
    {"instructions": "Be brief."},
    {"instructions": None},
    {"name": "Winter plans", "model": None, "instructions": None},
    {},
]


async def test_a_change_leaves_other_fields_as_they_are(mira: Person, clock: Clock, subtests: pytest.Subtests) -> None:
    for change in CHANGES:
        with subtests.test(change=change):
            made = (await mira.post("/chatroom", json=FULL)).json()
            clock.forward(minutes=1)
            changed = await mira.patch(f"/chatroom/{made['id']}", json=change)
            assert changed.status_code == 200
            assert changed.json() == made | change
            read = (await mira.get(f"/chatroom/{made['id']}")).json()
            assert read == made | change | {"messages": [], "next_cursor": None}


async def test_two_changes_at_once_do_not_undo_each_other(mira: Person) -> None:
    room = await mira.new_room()
    for turn in range(10):
        change = {"name": f"Plan {turn}"}, {"instructions": f"Rule {turn}"}
        await asyncio.gather(*(mira.patch(f"/chatroom/{room}", json=each) for each in change))
        assert (await mira.get(f"/chatroom/{room}")).json().items() >= (change[0] | change[1]).items()


async def test_a_deleted_room_is_gone_with_its_messages(site: Site, mira: Person) -> None:
    empty = {name: rows for name, rows in (await site.rows()).items() if name in {"rooms", "messages"}}
    room = await mira.new_room()
    reply = await mira.hear(room, key="a key")
    deleted = await mira.delete(f"/chatroom/{room}")
    assert deleted.status_code == 204
    assert deleted.content == b""
    after = await site.rows()
    assert {name: after[name] for name in empty} == empty
    assert after["idempotency_keys"] == []
    refused(await mira.get(f"/chatroom/{room}"), 404, "chatroom_not_found")
    refused(await mira.get(f"/chatroom/{room}/messages"), 404, "chatroom_not_found")
    refused(await mira.get(address(reply)), 404, "message_not_found")
    refused(await mira.patch(f"/chatroom/{room}", json={"name": "x"}), 404, "chatroom_not_found")
    refused(await mira.say(room), 404, "chatroom_not_found")
    refused(await mira.delete(f"/chatroom/{room}"), 404, "chatroom_not_found")


async def test_deleting_a_room_abandons_its_replies(open_site: OpenSite, model: ScriptedModel) -> None:
    site = await open_site(REPLY_LEASE_SECONDS="0.3")
    mira = await site.person()
    model.on("Hello", "one", Gate())
    room = await mira.new_room()
    accepted = await mira.ask(room)
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        assert [(await stream.event()).name for _ in range(2)] == ["start", "delta"]
        assert (await mira.delete(f"/chatroom/{room}")).status_code == 204
        assert await stream.rest() == []


async def test_a_room_shows_its_latest_50_messages(mira: Person) -> None:
    room = await mira.new_room()
    for number in range(27):
        await mira.hear(room, f"Message {number}")
    shown = (await mira.get(f"/chatroom/{room}")).json()
    assert len(shown["messages"]) == 50
    assert shown["messages"][0]["content"] == "Message 2"
    assert shown["messages"][-1]["role"] == "assistant"
    older = (await mira.get(f"/chatroom/{room}/messages", params={"cursor": shown["next_cursor"]})).json()
    assert [message["content"] for message in older["items"][::2]] == ["Message 0", "Message 1"]
    assert older["next_cursor"] is None
