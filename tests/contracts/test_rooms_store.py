"""The contract of the stores of rooms."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.chat.errors import TooManyInstructions
from parley.core.chat.model import Charge, IdempotencyKey, Room, RoomCursor
from parley.core.chat.room_limits import RoomLimits
from parley.core.chat.rooms import change_room, create_room
from parley.core.errors import InvalidInput
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
        pytest.param({"metadata": (("日本語", "'quotes\" \u2028"), ("empty", ""))}, id="metadata"),
        pytest.param({"name": "日本語 👩‍👩‍👧 \u2028 'quotes\" %s :x", "instructions": "x" * 32_000}, id="any text"),
    ],
)
async def test_room_is_stored_as_added(store, texts):
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


async def test_metadata_are_replaced_removed_and_kept_by_other_changes(store):
    room = await store.new_room(metadata=(("topic", "holidays"), ("author", "Mira")))
    ids = {"account_id": room.account_id, "room_id": room.id}
    for changes, expected in (
        ({"name": "Another"}, room.metadata),
        ({"metadata": (("topic", "travel"),)}, (("topic", "travel"),)),
        ({"metadata": ()}, ()),
    ):
        assert (await change_room(store.chat_ports(), changes=changes, **ids)).metadata == expected
        assert (await room_now(store, room)).metadata == expected
        [listed] = await store.see(lambda unit: unit.rooms.page(room.account_id, after=None, limit=10))
        assert listed.metadata == expected


@pytest.mark.parametrize("metadata", [(("", "x"),), (("x" * 65, ""),), (("x", "x" * 513),), (("x", "\x00"),)])
async def test_metadata_that_cannot_be_stored_are_refused(store, metadata):
    room = await store.new_room()
    with pytest.raises(InvalidInput, match=r"^metadata: "):
        await change_room(
            store.chat_ports(), account_id=room.account_id, room_id=room.id, changes={"metadata": metadata}
        )
    assert await room_now(store, room) == room


async def test_pages_join_by_latest_activity_without_gap_or_repetition(store):
    account_id = await store.new_account()
    # Microseconds count. Of rooms with the same activity the greater id comes first.
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


async def test_pinned_rooms_come_first_and_archived_ones_are_a_list_of_their_own(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id, active_at=NOW - age * SECOND) for age in range(6)]
    changed = [replace(room, pinned=number % 2 == 1, archived=number > 2) for number, room in enumerate(rooms)]
    for room in changed:
        assert await store.do(lambda unit, room=room: unit.rooms.save(room, fields=frozenset({"pinned", "archived"})))
        assert await room_now(store, room) == room

    for archived, expected in ((False, [1, 0, 2]), (True, [3, 5, 4])):
        for size in (1, 2, 3):
            walked, after = [], None
            async with store.chat(read_only=True) as unit:
                while page := await unit.rooms.page(account_id, after=after, limit=size, archived=archived):
                    walked += page
                    after = RoomCursor(page[-1].active_at, page[-1].id, page[-1].pinned)
            assert walked == [changed[number] for number in expected]


async def test_page_follows_the_cursor_of_a_deleted_room(store):
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


async def test_reserving_takes_two_positions_and_records_the_activity(store):
    room = await store.new_room()
    other = await store.new_room(room.account_id)
    for number in range(3):
        at = NOW + number * SECOND
        reserved = await store.do(lambda unit, at=at: unit.rooms.reserve(room.id, room.account_id, at=at))
        assert reserved == (replace(room, active_at=at), 1 + 2 * number)

    assert await room_now(store, room) == replace(room, active_at=NOW + 2 * SECOND)
    assert await room_now(store, other) == other


async def test_activity_never_goes_back(store):
    room = await store.new_room()
    reserved = await store.do(lambda unit: unit.rooms.reserve(room.id, room.account_id, at=NOW - SECOND))

    assert reserved == (room, 1)
    assert await room_now(store, room) == room


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
async def test_second_reservation_waits_for_the_unit_of_work_of_the_first(store, commits):
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
            # Enough time for a second one that does not wait.
            for _ in range(30):
                assert await room_now(store, room) == room
            order.append("first")
            if commits:
                await unit.commit()
        assert await second == (3 if commits else 1)
    assert order == ["first", "second"]


async def test_room_is_deleted_with_its_messages(store):
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
        assert await unit.messages.exchanges(room.id, last=100, limit=10) == []
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


async def test_concurrent_units_of_work_take_consecutive_positions(store):
    room = await store.new_room()

    async def post(rolls_back: bool) -> int:
        async with store.chat() as unit:
            _, position = await unit.rooms.reserve(room.id, room.account_id, at=NOW)
            question, reply = exchange_at(position, room)
            await unit.messages.add_exchange(
                question, reply, account_id=room.account_id, charge=Charge(TODAY), most_pending=MANY
            )
            if not rolls_back:
                await unit.commit()
            return 0 if rolls_back else position

    async with asyncio.timeout(20):
        positions = await asyncio.gather(*(post(rolls_back=number % 3 == 0) for number in range(30)))

    assert sorted(positions) == [0] * 10 + list(range(1, 41, 2))


async def test_ids_are_those_of_the_account_oldest_first(store):
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id, active_at=NOW - age * SECOND) for age in (2, 3, 1)]
    await store.new_room()
    async with store.chat(read_only=True) as unit:
        assert await unit.rooms.ids(account_id) == sorted(room.id for room in rooms)
        assert await unit.rooms.ids(new_id()) == []


async def test_room_beyond_the_limit_is_not_added(store):
    room = await store.new_room()
    extra = replace(room, id=new_id())

    assert not await store.do(lambda unit: unit.rooms.add(extra, most=1))
    assert await room_now(store, extra) is None
    assert await store.do(lambda unit: unit.rooms.add(extra, most=2))
    assert await room_now(store, extra) == extra


async def test_parallel_rooms_do_not_exceed_the_limit(store):
    room = await store.new_room()
    added = await asyncio.gather(
        *(store.do(lambda unit: unit.rooms.add(replace(room, id=new_id()), most=4)) for _ in range(10))
    )

    assert sorted(added) == [False] * 7 + [True] * 3
    assert len(await store.see(lambda unit: unit.rooms.ids(room.account_id))) == 4


async def test_instructions_are_counted_in_bytes_over_all_rooms(store):
    account_id = await store.new_account()
    assert await store.see(lambda unit: unit.rooms.instruction_bytes(account_id)) == 0
    for instructions in ("a" * 32_000, "日本語 ü", None):
        await store.new_room(account_id, instructions=instructions)
    await store.new_room(instructions="of another account")

    assert await store.see(lambda unit: unit.rooms.instruction_bytes(account_id)) == 32_012


async def test_parallel_instructions_do_not_exceed_the_limit(store):
    ports = store.chat_ports(room_limits=RoomLimits(instruction_bytes=30))
    account_id = await store.new_account()
    rooms = [await store.new_room(account_id) for _ in range(4)]

    async def instruct(room: Room) -> bool:
        try:
            await change_room(ports, account_id=account_id, room_id=room.id, changes={"instructions": "x" * 10})
        except TooManyInstructions:
            return False
        return True

    async def create() -> bool:
        try:
            await create_room(ports, account_id=account_id, name="A room", model=None, instructions="x" * 10)
        except TooManyInstructions:
            return False
        return True

    assert sum(await asyncio.gather(*map(instruct, rooms), *(create() for _ in range(4)))) == 3
    assert await store.see(lambda unit: unit.rooms.instruction_bytes(account_id)) == 30


async def test_last_positions_are_those_of_the_rooms_that_exist(store):
    empty, used = await store.new_room(), await store.new_room()
    await store.do(lambda unit: unit.rooms.reserve(used.id, used.account_id, at=NOW, positions=3))
    positions = await store.see(lambda unit: unit.rooms.last_positions([empty.id, used.id, new_id()]))
    assert positions == {empty.id: 0, used.id: 3}
    assert await store.see(lambda unit: unit.rooms.last_positions([])) == {}
