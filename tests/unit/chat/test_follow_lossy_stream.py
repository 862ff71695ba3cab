"""Reading a reply over a wire that loses, repeats and reorders: the text is always the database's."""

import asyncio
from random import Random

import pytest

from parley.core.chat.errors import ModelUnavailable
from parley.core.chat.follow_reply import AttemptStarted, Delta, KeepAlive, ReplyEnded
from parley.core.chat.model import Chunk, Claim, Ending, EventId, Status
from tests.unit.chat.desk import LIMITS, QUIET, Desk
from tests.unit.chat.lossy_stream import LossyStream
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause, Step

BUSY = ModelUnavailable("model_overloaded", "The vendor is busy.")


def some_answer(random: Random) -> list[Step]:
    words = ["w" * random.randrange(1, 9) + str(number) + " " for number in range(random.randrange(30))]
    return [step for word in words for step in (word, Pause(random.choice([0.0, 0.03, 0.1])))]


@pytest.mark.parametrize("seed", range(30))
async def test_text_is_always_that_of_the_database(desk, seed):
    random = Random(seed)
    reply = await desk.reply()
    for _ in range(random.randrange(3)):
        desk.model.will(*some_answer(random), BUSY)
    desk.model.will(*some_answer(random), random.choice([Pause(0), BUSY]))
    stream = LossyStream(desk.stream, random)
    readers = [Reader() for _ in range(4)]

    async def read(reader: Reader) -> None:
        await asyncio.sleep(random.uniform(0, 3))
        await reader.read(desk.follow(reply, stream=stream))

    async with asyncio.TaskGroup() as tasks:
        for reader in readers:
            tasks.create_task(read(reader))
        for _ in range(LIMITS.attempts):
            await asyncio.sleep(max(0, desk.due_in(reply)))
            await desk.writer().write(reply.id)
        assert (await desk.message(reply)).status.ended

    ended = await desk.message(reply)
    for reader in readers:
        assert reader.ended == ended
        assert reader.text == ended.content


async def end_silently(desk: Desk, claim: Claim, content: str) -> None:
    """The database gets the end, the readers no word of it."""
    async with desk.chat() as unit:
        assert await unit.replies.end(claim, Ending(Status.COMPLETED, content, desk.now()))
        await unit.commit()


async def test_reader_who_missed_the_end_finds_it_after_a_while(desk):
    reply = await desk.reply()
    claim = await desk.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await desk.stream.append(reply.id, Chunk(1, 0, "A whole"))
        await asyncio.sleep(1)
        await end_silently(desk, claim, "A whole answer.")

    assert asyncio.get_running_loop().time() == QUIET
    assert reader.events == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 7), "A whole"),
        KeepAlive(),
        Delta(EventId(1, 15), " answer."),
        ReplyEnded(EventId(1, 16), await desk.message(reply)),
    ]


async def test_what_follows_a_lost_piece_waits_for_the_end(desk):
    reply = await desk.reply()
    claim = await desk.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        for piece in (Chunk(1, 0, "A "), Chunk(1, 8, "answer"), Chunk(1, 14, ".")):
            await desk.stream.append(reply.id, piece)
        await asyncio.sleep(1)
        assert reader.text == "A "
        await end_silently(desk, claim, "A whole answer.")
        await desk.stream.end(reply.id)

    assert reader.events[-2:] == [
        Delta(EventId(1, 15), "whole answer."),
        ReplyEnded(EventId(1, 16), await desk.message(reply)),
    ]


async def test_end_that_came_too_early_is_not_believed(desk):
    reply = await desk.reply()
    gate = Gate()
    desk.model.will("A whole", gate, " answer.")
    reader = Reader()
    async with asyncio.TaskGroup() as tasks, desk.writing(reply):
        tasks.create_task(reader.read(desk.follow(reply)))
        await gate.reached()
        await asyncio.sleep(0)
        await desk.stream.end(reply.id)
        await asyncio.sleep(1)
        assert (reader.ended, reader.text) == (None, "A whole")
        gate.open()

    assert reader.text == "A whole answer."
    assert asyncio.get_running_loop().time() < QUIET


async def test_overlapping_pieces_are_cut_to_what_is_new(desk):
    reply = await desk.reply()
    claim = await desk.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        for piece in (Chunk(1, 0, "A wh"), Chunk(1, 2, "whole"), Chunk(1, 0, "A whole ans")):
            await desk.stream.append(reply.id, piece)
        await asyncio.sleep(1)
        assert [event.text for event in reader.events[1:]] == ["A wh", "ole", " ans"]
        await end_silently(desk, claim, "A whole answer.")


async def test_piece_of_another_attempt_is_not_joined_to_one_that_waits(desk):
    reply = await desk.reply()
    claim = await desk.claim(reply)
    reader = Reader()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.read(desk.follow(reply)))
        await asyncio.sleep(0)
        for piece in (Chunk(1, 0, "Half"), Chunk(2, 4, " of it")):
            await desk.stream.append(reply.id, piece)
        await asyncio.sleep(1)
        assert reader.events == [
            AttemptStarted(EventId(1, 0)),
            Delta(EventId(1, 4), "Half"),
            AttemptStarted(EventId(2, 0)),
        ]
        await end_silently(desk, claim, "Half")
        await desk.stream.end(reply.id)
