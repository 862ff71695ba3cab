"""A database that does not answer for a while during the writing of a reply."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parley.core.chat.model import Message, Status
from parley.core.chat.reply_events import ReplyEnded, ReplyEvent
from parley.core.chat.stores import ChatUnit
from parley.core.chat.write_reply import MAX_LOST_WORKERS, write_reply
from parley.core.errors import Unavailable
from tests.unit.chat.environment import KEEP_ALIVE_SECONDS, LIMITS, ChatEnvironment, UnavailableUnitOfWork
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


async def test_readers_learn_of_an_end_whose_confirmation_was_lost(env: ChatEnvironment) -> None:
    reply = await env.reply()
    env.model.will("A whole answer.")
    events = env.follow(reply)
    reading = asyncio.create_task(_last(events))
    started = asyncio.get_running_loop().time()
    await write_reply(env.chat_with(uow=LosesOneConfirmation(env, reply)), reply.id)

    assert isinstance(await reading, ReplyEnded)
    assert asyncio.get_running_loop().time() - started < KEEP_ALIVE_SECONDS


async def _last(events: AsyncIterator[ReplyEvent]) -> ReplyEvent:
    return [event async for event in events][-1]


class LosesOneConfirmation:
    """A database whose connection is lost after it has ended the reply, once."""

    def __init__(self, env: ChatEnvironment, reply: Message) -> None:
        self._env = env
        self._reply = reply
        self._lost = False

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._env.uow(read_only=read_only, single=single) as unit:
            yield unit
        if not self._lost and (await self._env.message(self._reply)).status.ended:
            self._lost = True
            raise Unavailable


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


async def test_outage_longer_than_leases_costs_neither_the_text_nor_an_attempt(env: ChatEnvironment) -> None:
    reply = await env.reply()
    database = UnavailableUnitOfWork(env.uow)
    gate = Gate()
    env.model.will("A whole", gate, " answer.")
    async with env.writing(reply, env.chat_with(uow=database)):
        await gate.reached()
        database.until = asyncio.get_running_loop().time() + 10 * LIMITS.lease
        await asyncio.sleep(LIMITS.lease)
        gate.open()

    written = await env.message(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "A whole answer.", 1)
    assert env.database.committed.replies[reply.id].failures == 0


async def test_worker_that_shuts_down_in_an_outage_leaves_the_reply_to_the_sweeper(env: ChatEnvironment) -> None:
    reply = await env.reply()
    database = UnavailableUnitOfWork(env.uow)
    gate = Gate()
    env.model.will("A whole answer.", gate)
    writing = asyncio.create_task(write_reply(env.chat_with(uow=database), reply.id))
    await gate.reached()
    database.until = asyncio.get_running_loop().time() + 10 * LIMITS.lease
    gate.open()
    await asyncio.sleep(2 * LIMITS.lease)
    cancelled_at = asyncio.get_running_loop().time()
    writing.cancel()
    await asyncio.wait([writing])

    assert asyncio.get_running_loop().time() - cancelled_at < 1
    assert (await env.message(reply)).status is Status.GENERATING
    assert env.due_in(reply) <= 0


async def test_leases_that_ran_out_in_outages_do_not_count_as_lost_workers(env: ChatEnvironment) -> None:
    """Each worker finds the reply claimed by the next one when its database answers again."""
    reply = await env.reply()
    gates = [Gate() for _ in range(MAX_LOST_WORKERS + 2)]
    for gate in gates:
        env.model.will("Half an", gate)
    env.model.will("An answer.")
    interrupted = []
    for gate in gates:
        database = UnavailableUnitOfWork(env.uow)
        interrupted.append(asyncio.create_task(write_reply(env.chat_with(uow=database), reply.id)))
        await gate.reached()
        database.until = asyncio.get_running_loop().time() + 2 * LIMITS.lease
        await asyncio.sleep(1.5 * LIMITS.lease)

    written = await env.write(reply)
    assert (written.status, written.content) == (Status.COMPLETED, "An answer.")
    await asyncio.wait(interrupted)
