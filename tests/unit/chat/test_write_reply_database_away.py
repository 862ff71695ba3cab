"""A database that does not answer for a while, under a reply that is being written."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from parley.core.chat.model import Status
from parley.core.chat.stores import ChatUnit, ChatUnitOfWork
from parley.core.errors import Unavailable
from tests.unit.chat.desk import LIMITS, Desk
from tests.unit.chat.scripted_model import Gate


class AwayUnitOfWork:
    """Answers again once the loop's time is `until`."""

    def __init__(self, uow: ChatUnitOfWork) -> None:
        self.until = 0.0
        self._uow = uow

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[ChatUnit, None]:
        if asyncio.get_running_loop().time() < self.until:
            raise Unavailable
        async with self._uow(read_only=read_only) as unit:
            yield unit


@pytest.mark.parametrize("seconds", [0.1, LIMITS.lease / 2, LIMITS.lease - 1])
async def test_an_end_waits_for_the_database_and_is_written_once(desk: Desk, seconds: float) -> None:
    reply = await desk.reply()
    away = AwayUnitOfWork(desk.chat)
    gate = Gate()
    desk.model.will("A whole answer.", gate)
    async with desk.writing(reply, desk.writer(uow=away)):
        await gate.reached()
        away.until = asyncio.get_running_loop().time() + seconds
        gate.open()

    written = await desk.message(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "A whole answer.", 1)


async def test_a_renewal_waits_for_the_database_and_the_attempt_goes_on(desk: Desk) -> None:
    reply = await desk.reply()
    away = AwayUnitOfWork(desk.chat)
    gate = Gate()
    desk.model.will("Slow", gate, " answer.")
    async with desk.writing(reply, desk.writer(uow=away)):
        await gate.reached()
        away.until = asyncio.get_running_loop().time() + LIMITS.lease / 2
        await asyncio.sleep(LIMITS.lease)
        gate.open()

    written = await desk.message(reply)
    assert (written.status, written.content, written.attempt) == (Status.COMPLETED, "Slow answer.", 1)


async def test_away_for_longer_than_a_lease_the_reply_is_left_to_the_sweeper(desk: Desk) -> None:
    reply = await desk.reply()
    away = AwayUnitOfWork(desk.chat)
    gate = Gate()
    desk.model.will("A whole answer.", gate)
    writing = asyncio.create_task(desk.writer(uow=away).write(reply.id))
    await gate.reached()
    away.until = asyncio.get_running_loop().time() + 10 * LIMITS.lease
    gate.open()
    with pytest.raises(Unavailable):
        await writing

    assert (await desk.message(reply)).status is Status.GENERATING
    assert desk.due_in(reply) <= 0
