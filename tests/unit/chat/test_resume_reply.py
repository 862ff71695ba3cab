"""Reading on from a place in a reply."""

import asyncio

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.follow_reply import (
    AttemptStarted,
    ReplyEnded,
    end_of,
)
from parley.core.chat.model import EventId
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


@pytest.mark.parametrize("offset", range(len(TEXT) + 2))
@pytest.mark.parametrize("when", ["before the end", "after the end"])
async def test_reader_resumes_at_every_place(desk, when, offset):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will(*WORDS, Pause(1), gate)
    reader = Reader(TEXT[:offset], EventId(1, offset))
    async with asyncio.TaskGroup() as tasks, desk.writing(reply):
        await gate.reached()
        if when == "before the end":
            tasks.create_task(reader.read(desk.follow(reply, reader.last)))
            await asyncio.sleep(1)
        gate.open()
    if when == "after the end":
        await reader.read(desk.follow(reply, reader.last))

    assert reader.text == TEXT
    assert reader.ended == await desk.message(reply)
    assert reader.last == EventId(1, 16)
    assert AttemptStarted(EventId(1, 0)) not in reader.events


async def test_reader_that_has_it_all_only_hears_that_it_has_ended(desk):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    written = await desk.write(reply)

    reader = await Reader(TEXT).read(desk.follow(reply, end_of(written)))
    assert reader.events == [ReplyEnded(end_of(written), written)]


@pytest.mark.parametrize("offset", [0, 3, 7, 8, 1_000])
async def test_reader_of_an_earlier_attempt_starts_anew(desk, offset):
    reply = await desk.reply()
    desk.model.will("Half an", ModelUnavailable("model_overloaded", "The vendor is busy."))
    desk.model.will(TEXT)
    await desk.write(reply)
    await asyncio.sleep(desk.due_in(reply))
    await desk.write(reply)

    reader = await Reader("Half an"[:offset], EventId(1, offset)).read(desk.follow(reply, EventId(1, offset)))
    assert reader.events[0] == AttemptStarted(EventId(2, 0))
    assert reader.text == TEXT


@pytest.mark.parametrize("claimed", [EventId(2, 0), EventId(2, 5), EventId(9, 1_000)])
@pytest.mark.parametrize("ended", [True, False])
async def test_reader_that_claims_a_later_attempt_starts_at_the_beginning(desk, claimed, ended):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        if not ended:
            tasks.create_task(reader.read(desk.follow(reply, claimed)))
            await asyncio.sleep(0)
        await desk.writer().write(reply.id)
    if ended:
        await reader.read(desk.follow(reply, claimed))

    assert reader.text == TEXT
    assert reader.events[0] == AttemptStarted(EventId(1, 0))


async def test_reader_that_claims_too_much_of_the_text_gets_no_repeat(desk):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    reader = Reader("x" * 1_000, EventId(1, 1_000))
    async with asyncio.TaskGroup() as tasks:
        gate = tasks.create_task(asyncio.sleep(0.5))
        writing = tasks.create_task(desk.writer().write(reply.id))
        await gate
        async for event in desk.follow(reply, reader.last):
            reader.events.append(event)
        await writing

    assert reader.events == [ReplyEnded(EventId(1, 16), await desk.message(reply))]
