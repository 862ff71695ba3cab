"""Making, listing and changing rooms, and the cache of their list."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.billing.model import Plan
from parley.core.chat.errors import RoomNotFound, UnknownModel
from parley.core.chat.model import Room
from parley.core.chat.rooms import (
    list_rooms,
    read_room,
)
from parley.core.errors import InvalidInput
from tests.unit.chat.desk import Desk

RAVI = UUID(int=77)
WRONG = [
    pytest.param(InvalidInput, {"name": ""}, id="empty name"),
    pytest.param(InvalidInput, {"name": "x" * 201}, id="long name"),
    pytest.param(InvalidInput, {"name": "a\x00b"}, id="NUL in the name"),
    pytest.param(InvalidInput, {"instructions": ""}, id="empty instructions"),
    pytest.param(InvalidInput, {"instructions": "x" * 32_001}, id="long instructions"),
    pytest.param(InvalidInput, {"instructions": "a\ud83d"}, id="surrogate in the instructions"),
    pytest.param(UnknownModel, {"model": "vendor/unknown"}, id="unknown model"),
    pytest.param(UnknownModel, {"model": ""}, id="empty model"),
]


async def stored(desk: Desk, room: Room) -> Room:
    return (await read_room(uow=desk.chat, account_id=room.account_id, room_id=room.id))[0]


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"name": "x" * 200, "model": "vendor/good", "instructions": "x" * 32_000},
        {"name": "日本語 👩‍👩‍👧"},
    ],
)
async def test_room_is_made_as_it_was_wished(desk, wishes):
    await asyncio.sleep(1)
    room = await desk.room(**wishes)

    wished = {"name": "A room", "model": None, "instructions": None} | wishes
    assert room == Room(room.id, desk.account_id, **wished, created_at=desk.now(), active_at=desk.now())
    assert await stored(desk, room) == room


@pytest.mark.parametrize(("fault", "wrong"), WRONG)
async def test_room_that_cannot_be_is_not_made(desk, fault, wrong):
    with pytest.raises(fault):
        await desk.room(**wrong)

    assert desk.database.committed.rooms == {}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Another"},
        {"model": "vendor/good"},
        {"model": None},
        {"instructions": None},
        {"name": "Another", "model": None, "instructions": "Be long."},
    ],
)
async def test_only_what_is_named_changes(desk, changes):
    room = await desk.room(model="vendor/fast", instructions="Be brief.")

    changed = await desk.change(room, **changes)
    assert changed == await stored(desk, room) == replace(room, **changes)


@pytest.mark.parametrize(("fault", "wrong"), [*WRONG, pytest.param(InvalidInput, {"name": None}, id="no name")])
async def test_room_stays_when_it_cannot_change_so(desk, fault, wrong):
    room = await desk.room(model="vendor/fast", instructions="Be brief.")
    with pytest.raises(fault):
        await desk.change(room, **wrong)

    assert await stored(desk, room) == room


async def test_room_of_another_account_is_none(desk):
    room = await desk.room()
    for attempt in (
        desk.change(room, RAVI, name="Stolen"),
        desk.delete(room, RAVI),
        read_room(uow=desk.chat, account_id=RAVI, room_id=room.id),
    ):
        with pytest.raises(RoomNotFound):
            await attempt
    assert await stored(desk, room) == room


async def test_deleted_room_is_gone_with_what_was_said(desk):
    room = await desk.room()
    await desk.post(room)
    await desk.delete(room)

    with pytest.raises(RoomNotFound):
        await stored(desk, room)
    with pytest.raises(RoomNotFound):
        await desk.delete(room)
    tables = desk.database.committed
    assert (tables.rooms, tables.messages, tables.replies) == ({}, {}, {})
    assert (await desk.usage()).used == 1


async def test_room_comes_with_its_latest_50_messages(desk):
    await desk.put_on(Plan.PRO)
    room = await desk.room()
    _, page = await read_room(uow=desk.chat, account_id=desk.account_id, room_id=room.id)
    assert (page.items, page.next_cursor) == ([], None)
    for count in range(26):
        _, page = await read_room(uow=desk.chat, account_id=desk.account_id, room_id=room.id)
        assert [message.position for message in page.items] == list(range(1, 2 * count + 1))
        assert page.next_cursor is None
        await desk.post(room, max_pending=100)

    _, page = await read_room(uow=desk.chat, account_id=desk.account_id, room_id=room.id)
    assert [message.position for message in page.items] == list(range(3, 53))
    assert page.next_cursor == 3


async def test_pages_of_rooms_join_without_gap_or_repeat(desk):
    rooms = [await desk.room(name=f"Room {number}") for number in range(7)]
    await desk.room(account_id=RAVI)
    for limit in (1, 3, 7, 8):
        found, after = [], None
        for _ in rooms:
            page = await list_rooms(uow=desk.chat, account_id=desk.account_id, after=after, limit=limit)
            found += page.items
            after = page.next_cursor
            if after is None:
                break
        assert found == rooms[::-1]


async def test_room_whose_model_is_no_longer_offered_may_change_otherwise(desk):
    room = await desk.room(model="other/only")
    del desk.catalogue.providers["other"]

    assert await desk.change(room, name="Another") == replace(room, name="Another")
    with pytest.raises(UnknownModel):
        await desk.change(room, model="other/only")
    assert (await desk.change(room, model=None)).model is None
