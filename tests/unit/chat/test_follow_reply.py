"""Reading a reply while it is written and long after."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import pytest

from parley.core.chat.errors import MessageNotFound, ModelUnavailable, NotAReply
from parley.core.chat.follow_reply import (
    AttemptStarted,
    Delta,
    KeepAlive,
    ReplyEnded,
    ReplyEvent,
    Snapshot,
    follow_reply,
)
from parley.core.chat.model import EventId, Message, Status
from tests.unit.chat.desk import QUIET
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause
from tests.unit.chat.test_write_reply_database_away import AwayUnitOfWork

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


async def test_reader_sees_the_reply_grow(desk):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await desk.writer().write(reply.id)

    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 2), "A "),
        Delta(EventId(1, 8), "whole "),
        Delta(EventId(1, 15), "answer."),
        ReplyEnded(EventId(1, 16), await desk.message(reply)),
    ]


async def test_reader_that_comes_late_gets_what_was_written(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will(*WORDS, Pause(1), gate)
    async with desk.writing(reply), aclosing(desk.follow(reply)) as events:
        await gate.reached()
        assert [await anext(events) for _ in range(2)] == [AttemptStarted(EventId(1, 0)), Delta(EventId(1, 15), TEXT)]
        gate.open()
        assert isinstance(await anext(events), ReplyEnded)


async def test_reader_that_comes_after_the_end_gets_all_from_the_database(desk):
    reply = await desk.reply()
    desk.model.will(*WORDS)
    written = await desk.write(reply)

    reader = await Reader().read(desk.follow(reply))
    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 15), TEXT),
        ReplyEnded(EventId(1, 16), written),
    ]


async def test_later_attempt_clears_what_the_reader_has(desk):
    reply = await desk.reply()
    desk.model.will("Half an", Pause(1), ModelUnavailable("model_overloaded", "The vendor is busy."))
    desk.model.will("A whole", Pause(1), " answer.")
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await desk.writer().write(reply.id)
        await asyncio.sleep(desk.due_in(reply))
        await desk.writer().write(reply.id)

    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 7), "Half an"),
        AttemptStarted(EventId(2, 0)),
        Delta(EventId(2, 7), "A whole"),
        Delta(EventId(2, 15), " answer."),
        ReplyEnded(EventId(2, 16), await desk.message(reply)),
    ]


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
async def test_text_of_a_reply_that_was_not_finished_is_read_to_its_end(desk, status):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("Half an", gate, ModelUnavailable("model_overloaded", "The vendor is busy."))
    reader = Reader()
    async with asyncio.TaskGroup() as tasks, desk.writing(reply, desk.writer(attempts=1)):
        tasks.create_task(reader.read(desk.follow(reply)))
        await gate.reached()
        if status is Status.STOPPED:
            await desk.stop(reply)
        gate.open()

    assert (reader.ended.status, reader.text) == (status, "Half an")
    assert reader.ended == await desk.message(reply)


async def test_reader_stays_through_a_failure_that_nobody_foresaw(desk):
    reply = await desk.reply()
    desk.model.will("Half an", Pause(1), ZeroDivisionError())
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        with pytest.raises(ZeroDivisionError):
            await desk.writer(attempts=1).write(reply.id)

    assert reader.text == reader.ended.content == "Half an"


async def test_reply_stopped_before_its_first_word_just_ends(desk):
    reply = await desk.reply()
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await asyncio.sleep(1)
        stopped = await desk.stop(reply)

    assert reader.events == [AttemptStarted(EventId(1, 0)), ReplyEnded(EventId(1, 1), stopped)]


async def test_silence_is_filled_with_signs_of_life(desk):
    reply = await desk.reply()
    async with aclosing(desk.follow(reply)) as events:
        for count in (1, 2, 3):
            assert await anext(events) == KeepAlive()
            assert asyncio.get_running_loop().time() == count * QUIET


async def test_reader_is_told_the_end_though_the_database_was_away_when_it_came(desk):
    reply = await desk.reply()
    away, gate = AwayUnitOfWork(desk.chat), Gate()
    desk.model.will(TEXT, gate)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply, uow=away)))
        tasks.create_task(desk.writer().write(reply.id))
        await gate.reached()
        away.until = asyncio.get_running_loop().time() + 2.5
        gate.open()

    assert reader.ended == await desk.message(reply)
    # Looked for each second, not only after the next silence.
    assert asyncio.get_running_loop().time() < away.until + 1


async def test_reader_of_a_deleted_room_is_let_go(desk):
    room = await desk.room()
    reply = await desk.reply(room)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await asyncio.sleep(1)
        await desk.delete(room)

    assert reader.events == [KeepAlive()]
    assert asyncio.get_running_loop().time() == QUIET


@pytest.mark.parametrize("when", ["before", "during"])
async def test_reader_is_let_go_when_the_process_leaves(desk, when):
    reply = await desk.reply()
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        if when == "before":
            desk.stream.close()
        tasks.create_task(reader.read(desk.follow(reply)))
        await asyncio.sleep(1)
        desk.stream.close()

    assert reader.events == []
    assert asyncio.get_running_loop().time() == 1


async def test_ended_reply_is_read_though_the_process_leaves(desk):
    reply = await desk.reply()
    desk.model.will(TEXT)
    await desk.write(reply)
    desk.stream.close()

    assert (await Reader().read(desk.follow(reply))).text == TEXT


async def test_reader_is_told_nothing_of_what_is_not_its_own(desk):
    reply = await desk.reply()
    other_room = await desk.room()
    desk.model.will(TEXT)
    await desk.write(reply)
    for account_id, room_id in ((UUID(int=77), reply.room_id), (desk.account_id, other_room.id)):
        place = {"account_id": account_id, "room_id": room_id, "reply_id": reply.id}
        events = follow_reply(uow=desk.chat, stream=desk.stream, after=None, quiet=QUIET, **place)
        with pytest.raises(MessageNotFound):
            await anext(events)


async def test_question_has_no_stream(desk):
    accepted = await desk.post(await desk.room())
    place = {"account_id": desk.account_id, "room_id": accepted.reply.room_id, "after": None, "quiet": QUIET}

    def follow(message: Message) -> AsyncGenerator[ReplyEvent, None]:
        return follow_reply(uow=desk.chat, stream=desk.stream, reply_id=message.id, **place)

    async with aclosing(follow(accepted.reply)) as events:
        assert await anext(events) == Snapshot(accepted.reply)
    with pytest.raises(NotAReply):
        await anext(follow(accepted.question))
