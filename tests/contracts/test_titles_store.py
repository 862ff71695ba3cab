"""The contract of the stores of titles that are still to be written."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.model import Claim, Room
from parley.core.chat.naming import NEW_ROOM_NAME, Naming
from parley.core.chat.rooms import change_room, create_room
from parley.core.chat.title_store import TitleClaim
from tests.contracts.chat_fixtures import COMPLETED, LONG, TODAY, Store, every_store, new_id

store = every_store


async def unnamed_room(store: Store) -> Room:
    return await create_room(
        store.chat_ports(), account_id=await store.new_account(), name=None, model=None, instructions=None
    )


async def named(store: Store) -> tuple[Room, Claim]:
    """A room that has the first words of its message, and the claim of the reply to it."""
    room = await unnamed_room(store)
    reply = await store.new_reply(room, content="The first words")
    return room, await store.claim(reply)


async def requested(store: Store) -> Room:
    """A room whose title is to be written."""
    room, claim = await named(store)
    assert await store.end(claim)
    return room


async def room_now(store: Store, room: Room) -> tuple[str, Naming]:
    found = await store.see(lambda unit: unit.rooms.get(room.id, room.account_id))
    assert found is not None
    return found.name, found.naming


async def claimed(store: Store, room: Room, *, lease: float = LONG) -> TitleClaim | None:
    return await store.do(lambda unit: unit.titles.claim(room.id, lease=lease))


async def held(store: Store, room: Room, *, lease: float = LONG) -> TitleClaim:
    claim = await claimed(store, room, lease=lease)
    assert claim is not None
    return claim


async def overdue(store: Store, *, seconds: float = 0, limit: int = 10) -> list[UUID]:
    return await store.see(lambda unit: unit.titles.overdue(seconds=seconds, limit=limit))


async def test_a_room_without_a_name_is_named_by_its_first_message_in_the_same_transaction(store):
    room = await unnamed_room(store)
    assert await room_now(store, room) == (NEW_ROOM_NAME, Naming.NONE)
    await store.new_reply(room, content="The first\nwords")
    assert await room_now(store, room) == ("The first words", Naming.FIRST_WORDS)
    await store.new_reply(room, content="Other words")
    assert await room_now(store, room) == ("The first words", Naming.FIRST_WORDS)


async def test_the_first_reply_requests_a_title(store):
    room, claim = await named(store)
    assert claim.awaits_title
    assert await claimed(store, room) is None

    assert await store.end(claim)

    assert await held(store, room) == TitleClaim(room.id, claim.position, TODAY, 1, room.account_id, None)


async def test_a_room_with_a_name_awaits_no_title(store):
    room = await store.new_room()
    claim = await store.claim(await store.new_reply(room))
    assert not claim.awaits_title
    await store.do(lambda unit: unit.titles.request(claim))
    assert await claimed(store, room) is None


async def test_a_title_is_requested_once(store):
    room = await requested(store)
    await held(store, room)
    second = await store.claim(await store.new_reply(room))
    assert second.awaits_title
    assert await store.end(second)
    assert await claimed(store, room) is None


async def test_an_overtaken_reply_requests_nothing(store):
    room, claim = await named(store)
    assert not await store.end(replace(claim, attempt=claim.attempt + 1))
    assert await claimed(store, room) is None


async def test_a_leased_title_is_claimed_by_nobody_else_until_its_lease_expires(store):
    room = await requested(store)
    claims = await asyncio.gather(*(claimed(store, room) for _ in range(5)))
    [first] = [claim for claim in claims if claim is not None]
    assert await store.do(lambda unit: unit.titles.renew(first, lease=0))
    second = await held(store, room)
    assert (first.attempt, second.attempt) == (1, 2)


async def test_writes_of_an_overtaken_claim_change_nothing(store):
    room = await requested(store)
    old, new = await held(store, room, lease=0), await held(store, room, lease=0)
    for write in (
        lambda unit: unit.titles.renew(old, lease=LONG),
        lambda unit: unit.titles.postpone(old, seconds=LONG),
        lambda unit: unit.titles.end(old, "Too late"),
        lambda unit: unit.titles.end(old, None),
    ):
        assert not await store.do(write)
    assert await room_now(store, room) == ("The first words", Naming.FIRST_WORDS)
    assert await overdue(store) == [room.id]
    assert await store.do(lambda unit: unit.titles.end(new, "A title"))
    assert not await store.do(lambda unit: unit.titles.end(new, "Another"))
    assert await room_now(store, room) == ("A title", Naming.FINAL)


@pytest.mark.parametrize(
    ("title", "name"), [("A title 日本語 👩‍👩‍👧", "A title 日本語 👩‍👩‍👧"), (None, "The first words")]
)
async def test_an_end_is_final(store, title, name):
    room = await requested(store)
    claim = await held(store, room)
    assert await store.do(lambda unit: unit.titles.end(claim, title))
    assert await room_now(store, room) == (name, Naming.FINAL)
    reply = await store.claim(await store.new_reply(room))
    assert not reply.awaits_title
    await store.do(lambda unit: unit.titles.request(reply))
    assert await claimed(store, room) is None


async def test_a_name_of_the_account_ends_the_writing_of_a_title(store):
    room = await requested(store)
    claim = await held(store, room)
    of_room = {"account_id": room.account_id, "room_id": room.id}
    await change_room(store.chat_ports(), changes={"pinned": True}, **of_room)
    assert await store.do(lambda unit: unit.titles.renew(claim, lease=LONG))
    await change_room(store.chat_ports(), changes={"name": "Mine"}, **of_room)
    assert not await store.do(lambda unit: unit.titles.renew(claim, lease=0))
    assert not await store.do(lambda unit: unit.titles.end(claim, "A title"))
    assert await room_now(store, room) == ("Mine", Naming.USER)
    assert await overdue(store) == []


async def test_of_a_title_and_a_name_at_once_the_name_stays(store):
    for _ in range(5):
        room = await requested(store)
        claim = await held(store, room)
        await asyncio.gather(
            store.do(lambda unit, claim=claim: unit.titles.end(claim, "A title")),
            change_room(store.chat_ports(), account_id=room.account_id, room_id=room.id, changes={"name": "Mine"}),
        )
        assert await room_now(store, room) == ("Mine", Naming.USER)


async def test_a_deleted_room_has_no_title_to_write(store):
    room, unfinished = await requested(store), await named(store)
    claim = await held(store, room)
    for each in (room, unfinished[0]):
        assert await store.do(lambda unit, each=each: unit.rooms.delete(each.id, each.account_id))
    assert not await store.do(lambda unit: unit.titles.end(claim, "A title"))
    assert not await store.do(lambda unit: unit.titles.renew(claim, lease=0))
    await store.do(lambda unit: unit.titles.request(unfinished[1]))
    assert await overdue(store) == []
    assert await claimed(store, replace(room, id=new_id())) is None


async def test_overdue_titles_come_oldest_first(store):
    rooms = [await requested(store) for _ in range(3)]
    assert await overdue(store) == [room.id for room in rooms]
    assert await overdue(store, limit=2) == [room.id for room in rooms[:2]]
    assert await overdue(store, seconds=LONG) == []
    leased, postponed = await held(store, rooms[0]), await held(store, rooms[1])
    assert await store.do(lambda unit: unit.titles.postpone(postponed, seconds=LONG))
    assert await overdue(store) == [rooms[2].id]
    assert await claimed(store, rooms[1]) is None
    assert await store.do(lambda unit: unit.titles.postpone(leased, seconds=0))
    assert set(await overdue(store)) == {rooms[0].id, rooms[2].id}


async def test_only_the_reply_that_ended_changed(store):
    """Requesting a title and ending the reply are one transaction."""
    room, claim = await named(store)
    async with store.chat() as unit:
        await unit.titles.request(claim)
        assert await unit.replies.end(claim, COMPLETED)
    assert await claimed(store, room) is None
    assert await store.end(claim)
    assert await claimed(store, room) is not None
