"""Posting a message repeatedly with an idempotency key."""

import asyncio
from datetime import UTC, datetime

import pytest

from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import IdempotencyMismatch, TooManyPending
from parley.core.chat.history import read_branch
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.environment import BASIC_LIMIT

MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)


async def test_repetition_with_a_key_gets_the_same_answer(env):
    room = await env.room()
    first = await env.post(room, "A question", key="a key")
    env.model.will("An answer.")
    await write_reply(env.chat, first.reply.id)
    await env.queued()

    again = await env.post(room, "A question", key="a key")
    assert (again.question, again.reply, again.replayed) == (first.question, first.reply, True)
    assert again.allowance == first.allowance
    page = await read_branch(env.chat, account_id=room.account_id, room_id=room.id, before=None, limit=9)
    assert page.items[0] == first.question
    assert len(page.items) == 2
    assert await env.queued() == []
    assert (await env.usage()).used == 1


async def test_repetition_is_answered_when_the_quota_is_used_up(env):
    room = await env.room()
    first = await env.post(room, key="a key")
    for _ in range(BASIC_LIMIT - 1):
        await env.post(room)

    again = await env.post(room, key="a key")
    assert (again.reply, again.allowance) == (first.reply, Allowance(5, 0, MIDNIGHT))


@pytest.mark.parametrize("other", [{"content": "Another question"}, {"model": "vendor/good"}, {"model": "vendor/fast"}])
async def test_key_with_another_body_is_refused(env, other):
    room = await env.room()
    await env.post(room, key="a key")
    with pytest.raises(IdempotencyMismatch):
        await env.post(room, **{"key": "a key"} | other)

    assert (await env.usage()).used == 1


async def test_refused_message_does_not_use_up_its_key(env):
    room = await env.room()
    with pytest.raises(TooManyPending):
        await env.post(room, "One", key="a key", max_pending=0)

    assert not (await env.post(room, "Two", key="a key")).replayed


async def test_key_is_valid_for_one_room_and_one_day(env):
    room, beside = await env.room(), await env.room()
    await env.post(room, key="a key")
    assert not (await env.post(beside, key="a key")).replayed
    await asyncio.sleep(86_400)
    assert (await env.post(room, key="a key")).replayed
    await asyncio.sleep(1)
    assert not (await env.post(room, key="a key")).replayed


async def test_of_50_concurrent_repetitions_one_is_accepted(env):
    room = await env.room()
    done = await asyncio.gather(*(env.post(room, key="a key") for _ in range(50)))

    assert len({each.reply.id for each in done}) == 1
    assert [each.replayed for each in done].count(False) == 1
    assert (await env.usage()).used == 1
    assert len(await env.queued()) == 1
