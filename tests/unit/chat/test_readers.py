"""The numbers of readers of one reply, and of one account, are limited."""

from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.readers import READERS_OF_A_REPLY, ReplyReaders
from parley.core.errors import TooManyRequests
from tests.unit.chat.scripted_model import Gate


async def test_a_reader_too_many_is_refused_until_another_one_leaves(env):
    reply, other = await env.reply(), await env.reply()
    gate = Gate()
    env.model.will("A ", gate)
    async with env.writing(reply):
        await gate.reached()
        async with AsyncExitStack() as readers:
            for _ in range(READERS_OF_A_REPLY):
                await anext(await readers.enter_async_context(aclosing(env.follow(reply))))
            with pytest.raises(TooManyRequests) as refusal:
                await anext(env.follow(reply))
            assert refusal.value.retry_after > 0
            with pytest.raises(TooManyRequests):
                await wait_for_end(
                    env.chat, account_id=env.account_id, room_id=reply.room_id, reply_id=reply.id, seconds=1
                )
            async with aclosing(env.follow(other)) as events:
                await anext(events)
        async with aclosing(env.follow(reply)) as events:
            await anext(events)
        gate.open()


async def test_an_account_has_so_many_readers_of_all_its_replies(env):
    env.chat = replace(env.chat, readers=ReplyReaders(of_an_account=2))
    first, second = await env.reply(), await env.reply()
    async with aclosing(env.follow(first)) as one, aclosing(env.follow(second)) as another:
        await anext(one)
        await anext(another)
        with pytest.raises(TooManyRequests):
            await anext(env.follow(first))
        with pytest.raises(TooManyRequests):
            await wait_for_end(env.chat, account_id=env.account_id, room_id=first.room_id, reply_id=first.id, seconds=1)
    async with aclosing(env.follow(first)) as one:
        await anext(one)


async def test_readers_of_another_account_do_not_count():
    readers = ReplyReaders(of_an_account=1)
    async with (
        readers.reading(UUID(int=1), account_id=UUID(int=11)),
        readers.reading(UUID(int=2), account_id=UUID(int=12)),
    ):
        with pytest.raises(TooManyRequests):
            await readers.reading(UUID(int=3), account_id=UUID(int=11)).__aenter__()
