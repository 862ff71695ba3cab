"""The list of rooms and its cache."""

import asyncio
from uuid import UUID

import pytest

from parley.core.chat.errors import RoomNotFound
from parley.core.chat.ports import CachedPage
from parley.core.chat.rooms import (
    CACHED_BYTES,
    RoomPage,
    SharedReads,
    first_rooms,
)
from parley.core.errors import InvalidInput
from tests.unit.chat.desk import Desk

RAVI = UUID(int=77)


class Counter:
    """Renders pages, and counts how often."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rendered = 0
        self.reads = SharedReads()

    def render(self, page: RoomPage) -> CachedPage:
        self.rendered += 1
        return CachedPage(",".join(room.name for room in page.items).encode(), f'"{self.rendered}"')

    async def list(self, limit: int = 50, account_id: UUID | None = None) -> tuple[str, bool]:
        page, cached = await first_rooms(
            uow=self.desk.chat,
            cache=self.desk.cache,
            reads=self.reads,
            account_id=account_id or self.desk.account_id,
            limit=limit,
            render=self.render,
        )
        return page.body.decode(), cached


async def test_list_is_rendered_once_and_then_cached(desk):
    await desk.room(name="First")
    counter = Counter(desk)

    assert [await counter.list() for _ in range(3)] == [("First", False), ("First", True), ("First", True)]
    assert counter.rendered == 1
    await asyncio.sleep(600)
    assert await counter.list() == ("First", False)


async def test_own_write_is_seen_at_once(desk):
    room = await desk.room(name="First")
    counter = Counter(desk)
    await counter.list()
    await desk.room(name="Second")
    assert await counter.list() == ("Second,First", False)
    await asyncio.sleep(1)
    await desk.post(room)
    assert await counter.list() == ("First,Second", False)
    await desk.change(room, name="Renamed")
    assert await counter.list() == ("Renamed,Second", False)
    await desk.delete(room)
    assert await counter.list() == ("Second", False)
    assert await counter.list() == ("Second", True)


async def test_refused_writes_and_those_of_others_leave_the_cache(desk):
    room = await desk.room(name="First")
    counter = Counter(desk)
    await counter.list()
    await desk.room(account_id=RAVI, name="Ravi's")
    with pytest.raises(InvalidInput):
        await desk.change(room, name="")
    with pytest.raises(RoomNotFound):
        await desk.delete(room, RAVI)

    assert await counter.list() == ("First", True)
    assert await counter.list(account_id=RAVI) == ("Ravi's", False)


async def test_list_that_was_read_before_a_write_is_not_kept(desk):
    await desk.room(name="First")
    counter = Counter(desk)
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(desk.room(name=f"Room {number}"))
            tasks.create_task(counter.list())
    names, _ = await counter.list()

    assert len(names.split(",")) == 21


@pytest.mark.parametrize(("limit", "kept"), [(50, True), (10, True), (100, True), (7, False), (51, False)])
async def test_only_the_usual_sizes_of_a_page_are_cached(desk, limit, kept):
    await desk.room(name="First")
    counter = Counter(desk)

    assert [await counter.list(limit) for _ in range(2)] == [("First", False), ("First", kept)]


@pytest.mark.parametrize(("length", "kept"), [(CACHED_BYTES, True), (CACHED_BYTES + 1, False)])
async def test_long_page_is_not_cached(desk, length, kept):
    counter = Counter(desk)
    counter.render = lambda _: CachedPage(b"x" * length, "")

    assert [cached for _, cached in [await counter.list() for _ in range(2)]] == [False, kept]
