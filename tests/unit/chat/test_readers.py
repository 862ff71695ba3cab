"""The number of readers of one reply is limited."""

from contextlib import AsyncExitStack, aclosing

import pytest

from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.readers import READERS_OF_A_REPLY
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
