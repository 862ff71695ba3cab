"""Following a reply over a stream that loses, repeats and reorders: the text is always the database's."""

import asyncio
from random import Random

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.model import Chunk, Claim, Ending, EventId, Status
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded
from parley.core.chat.write_reply import write_reply
from tests.unit.chat.environment import KEEP_ALIVE_SECONDS, LIMITS, ChatEnvironment
from tests.unit.chat.lossy_stream import LossyStream
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause, Step

BUSY = ModelUnavailable("model_overloaded", "The vendor is busy.")


def some_answer(random: Random) -> list[Step]:
    words = ["w" * random.randrange(1, 9) + str(number) + " " for number in range(random.randrange(30))]
    return [step for word in words for step in (word, Pause(random.choice([0.0, 0.03, 0.1])))]


@pytest.mark.parametrize("seed", range(30))
async def test_text_is_always_that_of_the_database(env, seed):
    random = Random(seed)
    reply = await env.reply()
    for _ in range(random.randrange(3)):
        env.model.will(*some_answer(random), BUSY)
    env.model.will(*some_answer(random), random.choice([Pause(0), BUSY]))
    stream = LossyStream(env.stream, random)
    readers = [Reader() for _ in range(4)]

    async def read(reader: Reader) -> None:
        await asyncio.sleep(random.uniform(0, 3))
        await reader.read(env.follow(reply, stream=stream))

    async with asyncio.TaskGroup() as tasks:
        for reader in readers:
            tasks.create_task(read(reader))
        for _ in range(LIMITS.attempts):
            await asyncio.sleep(max(0, env.due_in(reply)))
            await write_reply(env.chat, reply.id)
        assert (await env.message(reply)).status.ended

    ended = await env.message(reply)
    for reader in readers:
        assert reader.ended == ended
        assert reader.text == ended.content


async def end_silently(env: ChatEnvironment, claim: Claim, content: str) -> None:
    """End the reply in the database without announcing it."""
    async with env.uow() as unit:
        assert await unit.replies.end(claim, Ending(Status.COMPLETED, content, env.now()))
        await unit.commit()


async def test_reader_that_missed_the_end_finds_it_at_the_next_keep_alive(env):
    reply = await env.reply()
    claim = await env.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await env.stream.append(reply.id, Chunk(1, 0, "A whole"))
        await asyncio.sleep(1)
        await end_silently(env, claim, "A whole answer.")

    assert asyncio.get_running_loop().time() == KEEP_ALIVE_SECONDS
    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 7), "A whole"),
        KeepAlive(),
        Delta(EventId(1, 15), " answer."),
        ReplyEnded(EventId(1, 16), await env.message(reply)),
    ]


async def test_text_after_a_lost_chunk_is_sent_at_the_end(env):
    reply = await env.reply()
    claim = await env.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        for chunk in (Chunk(1, 0, "A "), Chunk(1, 8, "answer"), Chunk(1, 14, ".")):
            await env.stream.append(reply.id, chunk)
        await asyncio.sleep(1)
        assert reader.text == "A "
        await end_silently(env, claim, "A whole answer.")
        await env.stream.end(reply.id)

    assert reader.events[-2:] == [
        Delta(EventId(1, 15), "whole answer."),
        ReplyEnded(EventId(1, 16), await env.message(reply)),
    ]


async def test_premature_end_is_ignored(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("A whole", gate, " answer.")
    reader = Reader()
    async with asyncio.TaskGroup() as tasks, env.writing(reply):
        tasks.create_task(reader.read(env.follow(reply)))
        await gate.reached()
        await asyncio.sleep(0)
        await env.stream.end(reply.id)
        await asyncio.sleep(1)
        assert (reader.ended, reader.text) == (None, "A whole")
        gate.open()

    assert reader.text == "A whole answer."
    assert asyncio.get_running_loop().time() < KEEP_ALIVE_SECONDS


async def test_overlapping_chunks_are_cut_to_their_new_text(env):
    reply = await env.reply()
    claim = await env.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        for chunk in (Chunk(1, 0, "A wh"), Chunk(1, 2, "whole"), Chunk(1, 0, "A whole ans")):
            await env.stream.append(reply.id, chunk)
        await asyncio.sleep(1)
        assert [event.text for event in reader.events[1:]] == ["A wh", "ole", " ans"]
        await end_silently(env, claim, "A whole answer.")


async def test_chunk_of_another_attempt_is_not_merged(env):
    reply = await env.reply()
    claim = await env.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(env.follow(reply)))
        await asyncio.sleep(0)
        for chunk in (Chunk(1, 0, "Half"), Chunk(2, 4, " of it")):
            await env.stream.append(reply.id, chunk)
        await asyncio.sleep(1)
        assert reader.events == [
            AttemptStarted(EventId(1, 0)),
            Delta(EventId(1, 4), "Half"),
            AttemptStarted(EventId(2, 0)),
        ]
        await end_silently(env, claim, "Half")
        await env.stream.end(reply.id)
