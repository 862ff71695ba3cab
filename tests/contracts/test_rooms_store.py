"""What every store of rooms keeps to."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.chat.model import IdempotencyKey, Room, RoomCursor
from tests.contracts.chat_fixtures import LONG, MANY, NOW, TODAY, Store, every_store, exchange_at, new_id, noon

store = every_store
SECOND = timedelta(seconds=1)


async def room_now(store: Store, room: Room) -> Room | None:
    return await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param({"model": None, "instructions": None}, id="nothing chosen"),
        pytest.param({"model": "a/model", "instructions": "Be brief."}, id="everything chosen"),
        pytest.param({"name": "日本語 👩‍👩‍👧 \u2028 'quotes\" %s :x", "instructions": "x" * 32_000}, id="any text"),
    ],
)
async def test_room_is_kept_as_it_was_added(store, texts):
    room = await store.new_room(**texts)

    assert await room_now(store, room) == room


async def test_room_is_found_only_with_its_owner(store):
    room = await store.new_room()
    other = await store.new_account()
    async with store.chat() as unit:
        assert await unit.rooms.get(room.id, other) is None
        assert await unit.rooms.get(new_id(), room.account_id) is None
        assert not await unit.rooms.save(replace(room, account_id=other, name="Stolen"), fields=frozenset({"name"}))
        assert not await unit.rooms.save(replace(room, id=new_id()), fields=frozenset({"name"}))
        assert not await unit.rooms.save(replace(room, account_id=other), fields=frozenset())
        assert await unit.rooms.reserve(room.id, other, at=NOW + SECOND) is None
        assert await unit.rooms.reserve(new_id(), room.account_id, at=NOW + SECOND) is None
        assert not await unit.rooms.delete(room.id, other)
        assert not await unit.rooms.delete(new_id(), room.account_id)
        assert await unit.rooms.page(other, after=None, limit=10) == []
        await unit.commit()

    assert await room_now(store, room) == room
    reserved = await store.do(lambda unit: unit.rooms.reserve(room.id, room.account_id, at=NOW))
    assert reserved == (room, 1)


async def test_pages_go_from_the_latest_activity_to_the_oldest_without_gap_or_repeat(store):
    account_id = await store.new_account()
    # Microseconds count, and of rooms with the same activity the later id comes first.
    ages = [timedelta(), timedelta(microseconds=1), SECOND, SECOND, SECOND, timedelta(days=400), 2 * SECOND]
    rooms = [await store.new_room(account_id, active_at=NOW - age) for age in ages]
    await store.new_room(active_at=NOW)
    expected = sorted(rooms, key=lambda room: (room.active_at, room.id), reverse=True)

    for size in range(1, len(rooms) + 2):
        walked, after = [], None
        async with store.chat(read_only=True) as unit:
            while page := await unit.rooms.page(account_id, after=after, limit=size):
                assert len(page) <= size
                walked += page
                assert len(walked) <= len(rooms)
                after = RoomCursor(page[-1].active_at, page[-1].id)
        assert walked == expected


async def test_page_follows_its_cursor_though_the_room_there_is_gone(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id, active_at=NOW - age * SECOND) for age in range(3)]
    await store.do(lambda unit: unit.rooms.delete(rooms[1].id, account_id))

    after = RoomCursor(rooms[1].active_at, rooms[1].id)
    assert await store.see(lambda unit: unit.rooms.page(account_id, after=after, limit=10)) == [rooms[2]]


@pytest.mark.parametrize("fields", [set(), {"name"}, {"model"}, {"instructions"}, {"name", "model", "instructions"}])
async def test_only_the_named_fields_are_saved(store, fields):
    room = await store.new_room(model="a/model", instructions="Be brief.")
    other = await store.new_room(room.account_id)
    wish = replace(room, name="Other", model=None, instructions="Be long.", created_at=NOW + SECOND, active_at=NOW)

    assert await store.do(lambda unit: unit.rooms.save(wish, fields=frozenset(fields)))

    assert await room_now(store, room) == replace(room, **{field: getattr(wish, field) for field in fields})
    assert await room_now(store, other) == other


async def test_reserving_takes_two_positions_and_notes_the_activity(store):
    room = await store.new_room()
    other = await store.new_room(room.account_id)
    for turn in range(3):
        at = NOW + turn * SECOND
        reserved = await store.do(lambda unit, at=at: unit.rooms.reserve(room.id, room.account_id, at=at))
        assert reserved == (replace(room, active_at=at), 1 + 2 * turn)

    assert await room_now(store, room) == replace(room, active_at=NOW + 2 * SECOND)
    assert await room_now(store, other) == other


async def test_activity_never_goes_back(store):
    room = await store.new_room()
    reserved = await store.do(lambda unit: unit.rooms.reserve(room.id, room.account_id, at=NOW - SECOND))

    assert reserved == (room, 1)
    assert await room_now(store, room) == room


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
async def test_who_reserves_a_reserved_room_waits_for_the_end_of_that_unit_of_work(store, commits):
    room = await store.new_room()
    order = []

    async def reserve_second() -> int:
        async with store.chat() as unit:
            _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            order.append("second")
            return position

    async with asyncio.timeout(20):
        async with store.chat() as unit:
            await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            second = asyncio.create_task(reserve_second())
            # Time enough for a second one that does not wait.
            for _ in range(30):
                assert await room_now(store, room) == room
            order.append("first")
            if commits:
                await unit.commit()
        assert await second == (3 if commits else 1)
    assert order == ["first", "second"]


async def test_deleted_room_takes_its_messages_with_it(store):
    room = await store.new_room()
    question, reply = await store.new_exchange(room)
    key = IdempotencyKey("a key", b"f" * 32)
    await store.do(lambda unit: unit.idempotency_keys.remember(room.id, key, reply.id, at=NOW))
    kept = await store.new_room(room.account_id)
    _, kept_reply = await store.new_exchange(kept)

    assert await store.do(lambda unit: unit.rooms.delete(room.id, room.account_id))

    async with store.chat() as unit:
        assert await unit.rooms.get(room.id, room.account_id) is None
        assert await unit.rooms.page(room.account_id, after=None, limit=10) == [
            await unit.rooms.get(kept.id, kept.account_id)
        ]
        for gone in (question, reply):
            assert await unit.messages.get(gone.id, room.id, room.account_id) is None
        assert await unit.messages.exchange(reply.id) is None
        assert await unit.messages.page(room.id, room.account_id, before=None, limit=10) == []
        assert await unit.messages.turns_before(room.id, 100, limit=10) == []
        assert await unit.replies.claim(reply.id, lease=LONG) is None
        assert await unit.replies.next_in_room(room.id) is None
        assert not await unit.replies.request_stop(reply.id)
        assert await unit.replies.take_overdue(patience=0, limit=10) == [kept_reply.id]
        assert await unit.idempotency_keys.forget_before(NOW + SECOND) == 0
        assert not await unit.rooms.delete(room.id, room.account_id)


async def test_quota_of_a_deleted_room_stays_used(store):
    room = await store.new_room()
    await store.do(lambda unit: unit.quota.take(room.account_id, now=noon(TODAY)))
    await store.do(lambda unit: unit.rooms.delete(room.id, room.account_id))

    assert [usage.used for usage in await store.usage(room.account_id)] == [1]


async def test_positions_of_parallel_units_are_those_of_one_after_the_other(store):
    room = await store.new_room()

    async def post(leaves: bool) -> int:
        async with store.chat() as unit:
            _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            question, reply = exchange_at(position, room)
            await unit.messages.add_exchange(
                question, reply, account_id=room.account_id, charged_on=TODAY, most_pending=MANY
            )
            if not leaves:
                await unit.commit()
            return 0 if leaves else position

    async with asyncio.timeout(20):
        positions = await asyncio.gather(*(post(leaves=number % 3 == 0) for number in range(30)))

    assert sorted(positions) == [0] * 10 + list(range(1, 41, 2))


async def test_ids_are_all_of_the_account_oldest_first(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id, active_at=NOW - age * SECOND) for age in (2, 3, 1)]
    await store.new_room()
    async with store.chat(read_only=True) as unit:
        assert await unit.rooms.ids(account_id) == sorted(room.id for room in rooms)
        assert await unit.rooms.ids(new_id()) == []
