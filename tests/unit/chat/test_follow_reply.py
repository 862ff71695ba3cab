"""Following a reply while it is written and after its end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

import pytest

from parley.core.chat.errors import MessageNotFound, ModelUnavailable, NotAReply
from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.model import EventId, Message, Status
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.environment import KEEP_ALIVE_SECONDS, UnavailableUnitOfWork
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause

TEXT = "A whole answer."
WORDS = ("A ", Pause(1), "whole ", Pause(1), "answer.")


async def test_reader_receives_text_as_it_is_written(env):
    reply = await env.reply()
    env.model.will(*WORDS)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await write_reply(env.chat, reply.id)

    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 2), "A "),
        Delta(EventId(1, 8), "whole "),
        Delta(EventId(1, 15), "answer."),
        ReplyEnded(EventId(1, 16), await env.message(reply)),
    ]


async def test_late_reader_gets_the_text_so_far(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will(*WORDS, Pause(1), gate)
    async with env.writing(reply), aclosing(env.follow(reply)) as events:
        await gate.reached()
        assert [await anext(events) for _ in range(2)] == [AttemptStarted(EventId(1, 0)), Delta(EventId(1, 15), TEXT)]
        gate.open()
        assert isinstance(await anext(events), ReplyEnded)


async def test_reader_after_the_end_gets_everything_from_the_database(env):
    reply = await env.reply()
    env.model.will(*WORDS)
    written = await env.write(reply)

    reader = await Reader().read(env.follow(reply))
    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 15), TEXT),
        ReplyEnded(EventId(1, 16), written),
    ]


async def test_later_attempt_clears_the_text(env):
    reply = await env.reply()
    env.model.will("Half an", Pause(1), ModelUnavailable("model_overloaded", "The vendor is busy."))
    env.model.will("A whole", Pause(1), " answer.")
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await write_reply(env.chat, reply.id)
        await asyncio.sleep(env.due_in(reply))
        await write_reply(env.chat, reply.id)

    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 7), "Half an"),
        AttemptStarted(EventId(2, 0)),
        Delta(EventId(2, 7), "A whole"),
        Delta(EventId(2, 15), " answer."),
        ReplyEnded(EventId(2, 16), await env.message(reply)),
    ]


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
async def test_text_of_a_stopped_or_failed_reply_is_read_to_its_end(env, status):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Half an", gate, ModelUnavailable("model_overloaded", "The vendor is busy."))
    reader = Reader()
    async with asyncio.TaskGroup() as tasks, env.writing(reply, env.chat_with(attempts=1)):
        tasks.create_task(reader.read(env.follow(reply)))
        await gate.reached()
        if status is Status.STOPPED:
            await env.stop(reply)
        gate.open()

    assert (reader.ended.status, reader.text) == (status, "Half an")
    assert reader.ended == await env.message(reply)


async def test_reader_is_sent_the_end_after_an_internal_error(env):
    reply = await env.reply()
    env.model.will("Half an", Pause(1), ZeroDivisionError())
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        with pytest.raises(ZeroDivisionError):
            await write_reply(env.chat_with(attempts=1), reply.id)

    assert reader.text == reader.ended.content == "Half an"


async def test_reply_stopped_before_its_first_text_just_ends(env):
    reply = await env.reply()
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await asyncio.sleep(1)
        stopped = await env.stop(reply)

    assert reader.events == [AttemptStarted(EventId(1, 0)), ReplyEnded(EventId(1, 1), stopped)]


async def test_silence_is_filled_with_keep_alives(env):
    reply = await env.reply()
    async with aclosing(env.follow(reply)) as events:
        for count in (1, 2, 3):
            assert await anext(events) == KeepAlive()
            assert asyncio.get_running_loop().time() == count * KEEP_ALIVE_SECONDS


async def test_reader_is_sent_the_end_when_the_database_answers_again(env):
    reply = await env.reply()
    database, gate = UnavailableUnitOfWork(env.uow), Gate()
    env.model.will(TEXT, gate)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply, uow=database)))
        tasks.create_task(write_reply(env.chat, reply.id))
        await gate.reached()
        database.until = asyncio.get_running_loop().time() + 2.5
        gate.open()

    assert reader.ended == await env.message(reply)
    # The database is asked every second, not only at the next keep-alive.
    assert asyncio.get_running_loop().time() < database.until + 1


async def test_stream_of_a_deleted_room_ends(env):
    room = await env.room()
    reply = await env.reply(room)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await asyncio.sleep(1)
        await env.delete(room)

    assert reader.events == [KeepAlive()]
    assert asyncio.get_running_loop().time() == KEEP_ALIVE_SECONDS


@pytest.mark.parametrize("when", ["before", "during"])
async def test_stream_ends_when_the_process_shuts_down(env, when):
    reply = await env.reply()
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        if when == "before":
            env.stream.close()
        tasks.create_task(reader.read(env.follow(reply)))
        await asyncio.sleep(1)
        env.stream.close()

    assert reader.events == []
    assert asyncio.get_running_loop().time() == 1


async def test_ended_reply_can_be_read_while_the_process_shuts_down(env):
    reply = await env.reply()
    env.model.will(TEXT)
    await env.write(reply)
    env.stream.close()

    assert (await Reader().read(env.follow(reply))).text == TEXT


async def test_replies_of_other_accounts_and_rooms_are_not_found(env):
    reply = await env.reply()
    other_room = await env.room()
    env.model.will(TEXT)
    await env.write(reply)
    for account_id, room_id in ((UUID(int=77), reply.room_id), (env.account_id, other_room.id)):
        ids = {"account_id": account_id, "room_id": room_id, "reply_id": reply.id}
        events = follow_reply(env.chat, after=None, keep_alive_seconds=KEEP_ALIVE_SECONDS, may_read=env.may_read, **ids)
        with pytest.raises(MessageNotFound):
            await anext(events)


async def test_message_of_a_user_has_no_stream(env):
    accepted = await env.post(await env.room())
    ids = {
        "account_id": env.account_id,
        "room_id": accepted.reply.room_id,
        "after": None,
        "keep_alive_seconds": KEEP_ALIVE_SECONDS,
        "may_read": env.may_read,
    }

    def follow(message: Message) -> AsyncGenerator[ReplyEvent, None]:
        return follow_reply(env.chat, reply_id=message.id, **ids)

    async with aclosing(follow(accepted.reply)) as events:
        assert await anext(events) == Snapshot(accepted.reply)
    with pytest.raises(NotAReply):
        await anext(follow(accepted.question))
