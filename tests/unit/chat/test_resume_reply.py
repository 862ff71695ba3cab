"""Resuming a stream at a position in the reply."""

import asyncio

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import EventId
from parley.core.chat.reply_events import AttemptStarted, ReplyEnded, end_of
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


@pytest.mark.parametrize("offset", range(len(TEXT) + 2))
@pytest.mark.parametrize("when", ["before the end", "after the end"])
async def test_reader_resumes_at_every_position(env, when, offset):
    reply = await env.reply()
    gate = Gate()
    env.model.will(*WORDS, Pause(1), gate)
    reader = Reader(TEXT[:offset], EventId(1, offset))
    async with asyncio.TaskGroup() as tasks, env.writing(reply):
        await gate.reached()
        if when == "before the end":
            tasks.create_task(reader.read(env.follow(reply, reader.last)))
            await asyncio.sleep(1)
        gate.open()
    if when == "after the end":
        await reader.read(env.follow(reply, reader.last))

    assert reader.text == TEXT
    assert reader.ended == await env.message(reply)
    assert reader.last == EventId(1, 16)
    assert AttemptStarted(EventId(1, 0)) not in reader.events


async def test_reader_with_the_whole_text_is_sent_only_the_end(env):
    reply = await env.reply()
    env.model.will(*WORDS)
    written = await env.write(reply)

    reader = await Reader(TEXT).read(env.follow(reply, end_of(written)))
    assert reader.events == [ReplyEnded(end_of(written), written)]


@pytest.mark.parametrize("offset", [0, 3, 7, 8, 1_000])
async def test_reader_of_an_earlier_attempt_starts_at_the_beginning(env, offset):
    reply = await env.reply()
    env.model.will("Half an", ModelUnavailable("model_overloaded", "The vendor is busy."))
    env.model.will(TEXT)
    await env.write(reply)
    await asyncio.sleep(env.due_in(reply))
    await env.write(reply)

    reader = await Reader("Half an"[:offset], EventId(1, offset)).read(env.follow(reply, EventId(1, offset)))
    assert reader.events[0] == AttemptStarted(EventId(2, 0))
    assert reader.text == TEXT


@pytest.mark.parametrize("claimed", [EventId(2, 0), EventId(2, 5), EventId(9, 1_000)])
@pytest.mark.parametrize("ended", [True, False])
async def test_position_in_a_later_attempt_means_the_beginning(env, claimed, ended):
    reply = await env.reply()
    env.model.will(*WORDS)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        if not ended:
            tasks.create_task(reader.read(env.follow(reply, claimed)))
            await asyncio.sleep(0)
        await write_reply(env.chat, reply.id)
    if ended:
        await reader.read(env.follow(reply, claimed))

    assert reader.text == TEXT
    assert reader.events[0] == AttemptStarted(EventId(1, 0))


async def test_position_after_the_text_leads_to_no_repetition(env):
    reply = await env.reply()
    env.model.will(*WORDS)
    reader = Reader("x" * 1_000, EventId(1, 1_000))
    async with asyncio.TaskGroup() as tasks:
        gate = tasks.create_task(asyncio.sleep(0.5))
        writing = tasks.create_task(write_reply(env.chat, reply.id))
        await gate
        async for event in env.follow(reply, reader.last):
            reader.events.append(event)
        await writing

    assert reader.events == [ReplyEnded(EventId(1, 16), await env.message(reply))]
