"""The list of rooms and its cache."""

import asyncio
from uuid import UUID

import pytest

from parley.core.chat.errors import RoomNotFound
from parley.core.chat.ports import CachedPage
from parley.core.chat.room_list import CACHED_BYTES, RoomPage, first_rooms
from parley.core.errors import InvalidInput
from tests.unit.chat.environment import ChatEnvironment

RAVI = UUID(int=77)


class Counter:
    """Lists rooms, and counts how often a page is rendered."""

    def __init__(self, env: ChatEnvironment) -> None:
        self.env = env
        self.rendered = 0

    def render(self, page: RoomPage) -> CachedPage:
        self.rendered += 1
        return CachedPage(",".join(room.name for room in page.items).encode(), f'"{self.rendered}"')

    async def list(self, limit: int = 50, account_id: UUID | None = None) -> tuple[str, bool]:
        page, cached = await first_rooms(
            self.env.chat,
            account_id=account_id or self.env.account_id,
            limit=limit,
            render=self.render,
        )
        return page.body.decode(), cached


async def test_list_is_rendered_once_and_then_cached(env):
    await env.room(name="First")
    counter = Counter(env)

    assert [await counter.list() for _ in range(3)] == [("First", False), ("First", True), ("First", True)]
    assert counter.rendered == 1
    await asyncio.sleep(600)
    assert await counter.list() == ("First", False)


async def test_own_write_is_visible_at_once(env):
    room = await env.room(name="First")
    counter = Counter(env)
    await counter.list()
    await env.room(name="Second")
    assert await counter.list() == ("Second,First", False)
    await asyncio.sleep(1)
    await env.post(room)
    assert await counter.list() == ("First,Second", False)
    await env.change(room, name="Renamed")
    assert await counter.list() == ("Renamed,Second", False)
    await env.delete(room)
    assert await counter.list() == ("Second", False)
    assert await counter.list() == ("Second", True)


async def test_refused_writes_and_writes_of_others_do_not_clear_the_cache(env):
    room = await env.room(name="First")
    counter = Counter(env)
    await counter.list()
    await env.room(account_id=RAVI, name="Ravi's")
    with pytest.raises(InvalidInput):
        await env.change(room, name="")
    with pytest.raises(RoomNotFound):
        await env.delete(room, RAVI)

    assert await counter.list() == ("First", True)
    assert await counter.list(account_id=RAVI) == ("Ravi's", False)


async def test_list_read_before_a_write_is_not_cached(env):
    await env.room(name="First")
    counter = Counter(env)
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(env.room(name=f"Room {number}"))
            tasks.create_task(counter.list())
    names, _ = await counter.list()

    assert len(names.split(",")) == 21


@pytest.mark.parametrize(("limit", "cached"), [(50, True), (10, True), (100, True), (7, False), (51, False)])
async def test_only_the_usual_sizes_of_a_page_are_cached(env, limit, cached):
    await env.room(name="First")
    counter = Counter(env)

    assert [await counter.list(limit) for _ in range(2)] == [("First", False), ("First", cached)]


@pytest.mark.parametrize(("length", "cached"), [(CACHED_BYTES, True), (CACHED_BYTES + 1, False)])
async def test_long_page_is_not_cached(env, length, cached):
    counter = Counter(env)
    counter.render = lambda _: CachedPage(b"x" * length, "")

    assert [hit for _, hit in [await counter.list() for _ in range(2)]] == [False, cached]


async def test_page_with_an_unfinished_reply_is_not_cached(env):
    room = await env.room(name="First")
    reply = await env.reply(room)
    counter = Counter(env)
    counter.render = lambda page: CachedPage((page.items[0].last_message or "").encode(), "")
    assert [await counter.list() for _ in range(2)] == [("A question", False)] * 2

    env.model.will("An answer")
    await env.write(reply)

    assert [await counter.list() for _ in range(2)] == [("An answer", False), ("An answer", True)]
