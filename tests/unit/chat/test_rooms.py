"""Creating, listing and changing rooms."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.errors import RoomNotFound, TooManyInstructions, TooManyRooms, UnknownModel
from parley.core.chat.model import Room
from parley.core.chat.room_limits import RoomLimits
from parley.core.chat.room_list import list_rooms
from parley.core.chat.rooms import read_room
from parley.core.errors import InvalidInput
from parley.core.plans import PRO
from tests.unit.chat.environment import ChatEnvironment, SlowAnswersUnitOfWork

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


async def stored(env: ChatEnvironment, room: Room) -> Room:
    return (await read_room(env.chat, account_id=room.account_id, room_id=room.id))[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "x" * 200, "model": "vendor/good", "instructions": "x" * 32_000},
        {"name": "日本語 👩‍👩‍👧"},
    ],
)
async def test_room_is_created_as_requested(env, fields):
    await asyncio.sleep(1)
    room = await env.room(**fields)

    expected = {"name": "A room", "model": None, "instructions": None} | fields
    assert room == Room(room.id, env.account_id, **expected, created_at=env.now(), active_at=env.now())
    assert await stored(env, room) == room


@pytest.mark.parametrize(("fault", "wrong"), WRONG)
async def test_invalid_room_is_not_created(env, fault, wrong):
    with pytest.raises(fault):
        await env.room(**wrong)

    assert env.database.committed.rooms == {}


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
async def test_only_named_fields_change(env, changes):
    room = await env.room(model="vendor/fast", instructions="Be brief.")

    changed = await env.change(room, **changes)
    assert changed == await stored(env, room) == replace(room, **changes)


@pytest.mark.parametrize(("fault", "wrong"), [*WRONG, pytest.param(InvalidInput, {"name": None}, id="no name")])
async def test_refused_change_leaves_the_room_as_it_is(env, fault, wrong):
    room = await env.room(model="vendor/fast", instructions="Be brief.")
    with pytest.raises(fault):
        await env.change(room, **wrong)

    assert await stored(env, room) == room


async def test_room_of_another_account_is_not_found(env):
    room = await env.room()
    for attempt in (
        env.change(room, RAVI, name="Stolen"),
        env.delete(room, RAVI),
        read_room(env.chat, account_id=RAVI, room_id=room.id),
    ):
        with pytest.raises(RoomNotFound):
            await attempt
    assert await stored(env, room) == room


async def test_model_is_not_asked_for_a_reply_whose_room_is_deleted_after_the_claim(env):
    reply = await env.reply(room := await env.room())
    async with env.writing(reply, env.chat_with(uow=SlowAnswersUnitOfWork(env.uow, seconds=0.5))):
        await asyncio.sleep(0.1)
        await env.delete(room)

    assert env.model.asked == []


async def test_room_is_deleted_with_its_messages(env):
    room = await env.room()
    await env.post(room)
    await env.delete(room)

    with pytest.raises(RoomNotFound):
        await stored(env, room)
    with pytest.raises(RoomNotFound):
        await env.delete(room)
    tables = env.database.committed
    assert (tables.rooms, tables.messages, tables.replies) == ({}, {}, {})
    assert (await env.usage()).used == 1


async def test_room_comes_with_its_latest_50_messages(env):
    await env.set_plan(PRO)
    room = await env.room()
    _, page = await read_room(env.chat, account_id=env.account_id, room_id=room.id)
    assert (page.items, page.next_cursor) == ([], None)
    for count in range(26):
        _, page = await read_room(env.chat, account_id=env.account_id, room_id=room.id)
        assert [message.position for message in page.items] == list(range(1, 2 * count + 1))
        assert page.next_cursor is None
        await env.post(room, max_pending=100)

    _, page = await read_room(env.chat, account_id=env.account_id, room_id=room.id)
    assert [message.position for message in page.items] == list(range(3, 53))
    assert page.next_cursor == 3


async def test_pages_of_rooms_join_without_gap_or_repetition(env):
    rooms = [await env.room(name=f"Room {number}") for number in range(7)]
    await env.room(account_id=RAVI)
    for limit in (1, 3, 7, 8):
        found, after = [], None
        for _ in rooms:
            page = await list_rooms(env.chat, account_id=env.account_id, after=after, limit=limit)
            found += page.items
            after = page.next_cursor
            if after is None:
                break
        assert found == rooms[::-1]


async def test_room_whose_model_is_no_longer_offered_can_be_renamed(env):
    room = await env.room(model="other/only")
    del env.providers["other"]

    assert await env.change(room, name="Another") == replace(room, name="Another")
    with pytest.raises(UnknownModel):
        await env.change(room, model="other/only")
    assert (await env.change(room, model=None)).model is None


async def test_account_has_so_many_rooms(env):
    env.chat = replace(env.chat, room_limits=RoomLimits(rooms=2))
    first = await env.room()
    await env.room()
    with pytest.raises(TooManyRooms):
        await env.room()
    await env.room(account_id=RAVI)

    await env.delete(first)
    await env.room()
    assert len(env.database.committed.rooms) == 3


async def test_instructions_of_all_rooms_have_so_many_bytes(env):
    env.chat = replace(env.chat, room_limits=RoomLimits(instruction_bytes=10))
    room = await env.room(instructions="äöü")
    other = await env.room(instructions="1234")
    await env.room(account_id=RAVI, instructions="1234567890")
    with pytest.raises(TooManyInstructions):
        await env.room(instructions="x")
    with pytest.raises(TooManyInstructions):
        await env.change(other, instructions="12345")
    assert await stored(env, other) == other
    assert len(env.database.committed.rooms) == 3

    await env.change(other, name="Another name", instructions="äö")
    await env.change(room, instructions=None)
    await env.room(instructions="123456")
