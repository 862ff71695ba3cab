"""A database that does not answer for a while during the writing of a reply."""

import asyncio

import pytest

from parley.core.chat.model import Status
from parley.core.chat.write_reply import write_reply
from parley.core.errors import Unavailable
from tests.unit.chat.environment import LIMITS, ChatEnvironment, UnavailableUnitOfWork
from tests.unit.chat.scripted_model import Gate


@pytest.mark.parametrize("seconds", [0.1, LIMITS.lease / 2, LIMITS.lease - 1])
async def test_end_is_written_once_when_the_database_answers_again(env: ChatEnvironment, seconds: float) -> None:
    reply = await env.reply()
    database = UnavailableUnitOfWork(env.uow)
    gate = Gate()
    env.model.will("A whole answer.", gate)
    async with env.writing(reply, env.chat_with(uow=database)):
        await gate.reached()
        database.until = asyncio.get_running_loop().time() + seconds
        gate.open()

    written = await env.message(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "A whole answer.", 1)


async def test_attempt_continues_when_the_database_answers_again(env: ChatEnvironment) -> None:
    reply = await env.reply()
    database = UnavailableUnitOfWork(env.uow)
    gate = Gate()
    env.model.will("Slow", gate, " answer.")
    async with env.writing(reply, env.chat_with(uow=database)):
        await gate.reached()
        database.until = asyncio.get_running_loop().time() + LIMITS.lease / 2
        await asyncio.sleep(LIMITS.lease)
        gate.open()

    written = await env.message(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "Slow answer.", 1)


async def test_reply_is_left_to_the_sweeper_when_the_database_stays_unavailable(env: ChatEnvironment) -> None:
    reply = await env.reply()
    database = UnavailableUnitOfWork(env.uow)
    gate = Gate()
    env.model.will("A whole answer.", gate)
    writing = asyncio.create_task(write_reply(env.chat_with(uow=database), reply.id))
    await gate.reached()
    database.until = asyncio.get_running_loop().time() + 10 * LIMITS.lease
    gate.open()
    with pytest.raises(Unavailable):
        await writing

    assert (await env.message(reply)).status is Status.GENERATING
    assert env.due_in(reply) <= 0
