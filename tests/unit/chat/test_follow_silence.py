"""Readers of a stream that delivers nothing for them, and readers whose session ends."""

import asyncio

import pytest

from parley.core.chat.follow_reply import PERMISSION_SECONDS
from parley.core.chat.model import Chunk
from parley.core.chat.reply_events import AttemptStarted, KeepAlive
from tests.unit.chat.environment import KEEP_ALIVE_SECONDS, ChatEnvironment


async def append_behind_a_gap(env: ChatEnvironment, reply_id: object) -> None:
    """A chunk every second, of which none joins: the stream lost what came before."""
    for second in range(1, 1_000):
        await asyncio.sleep(1)
        await env.stream.append(reply_id, Chunk(1, 100 + second, "x"))


@pytest.fixture
async def reply(env):
    """A claimed reply whose stream continues behind a gap."""
    reply = await env.reply()
    assert await env.claim(reply, lease=10_000)
    appending = asyncio.create_task(append_behind_a_gap(env, reply.id))
    yield reply
    appending.cancel()


async def test_reader_of_chunks_that_do_not_join_is_kept_alive(env, reply):
    clock = asyncio.get_running_loop().time
    events = env.follow(reply)
    assert isinstance(await anext(events), AttemptStarted)
    for _ in range(3):
        before = clock()
        assert isinstance(await anext(events), KeepAlive)
        assert clock() - before <= KEEP_ALIVE_SECONDS + 1
    await events.aclose()


async def test_reader_of_chunks_that_do_not_join_learns_of_a_deleted_room(env, reply):
    events = env.follow(reply)
    assert isinstance(await anext(events), AttemptStarted)
    async with env.uow(read_only=True) as unit:
        room = await unit.rooms.get(reply.room_id, env.account_id)
    await env.delete(room)

    assert [type(event) async for event in events] == [KeepAlive]


async def test_end_that_was_none_makes_no_reader_poll(env):
    clock = asyncio.get_running_loop().time
    reply = await env.reply()
    events = env.follow(reply)
    assert isinstance(await anext(events), KeepAlive)
    await env.stream.end(reply.id)
    for _ in range(3):
        before = clock()
        assert isinstance(await anext(events), KeepAlive)
        assert clock() - before == pytest.approx(KEEP_ALIVE_SECONDS)
    await events.aclose()


async def test_busy_stream_ends_with_the_session(env, reply):
    await ends_with_the_session(env, reply)


async def test_silent_stream_ends_with_the_session(env):
    await ends_with_the_session(env, await env.reply())


async def ends_with_the_session(env: ChatEnvironment, reply: object) -> None:
    clock = asyncio.get_running_loop().time

    async def end_session() -> float:
        await asyncio.sleep(7.5)
        env.session_lasts = False
        return clock()

    ending = asyncio.create_task(end_session())
    events = [event async for event in env.follow(reply)]

    assert clock() - await ending <= PERMISSION_SECONDS + 1
    assert all(isinstance(event, AttemptStarted | KeepAlive) for event in events)
