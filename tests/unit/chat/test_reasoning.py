"""Replies with reasoning: written, stored, read while they are written, and resumed."""

from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.adapters.sql.chat.parts import decode_parts, encode_parts
from parley.core.chat.draft import LARGEST_REPLY_CHARACTERS
from parley.core.chat.history import add_parts_so_far
from parley.core.chat.language_model import Reasoning
from parley.core.chat.model import Chunk, EventId, FinishReason, Message, Status, join_chunks, split_into_chunks
from parley.core.chat.parts import Part, PartKind, join_parts, text_of
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive
from parley.core.text import is_readable
from tests.unit.chat.environment import ChatEnvironment
from tests.unit.chat.reader import Reader
from tests.unit.chat.scripted_model import Gate, Pause
from tests.unit.chat.virtual_time import run

THOUGHT = Part(PartKind.REASONING, "Crete? Cyprus?")
TEXT = Part(PartKind.TEXT, "Crete.")
AFTERTHOUGHT = Part(PartKind.REASONING, "Or Malta")
MORE = Part(PartKind.TEXT, " Or Malta.")
PARTS = (THOUGHT, TEXT, AFTERTHOUGHT, MORE)
STEPS = (Reasoning("Crete? "), Reasoning("Cyprus?"), "Cre", "te.", Reasoning("Or Malta"), " Or Malta.")

storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
kinds = st.sampled_from(PartKind)
parts_lists = st.lists(st.builds(Part, kinds, st.text(storable, min_size=1, max_size=6)), max_size=6).map(join_parts)
readable_answers = parts_lists.filter(lambda parts: is_readable(text_of(parts)))


async def test_reply_has_the_parts_in_their_order_and_the_text_as_its_content(env):
    reply = await env.reply()
    env.model.will(*STEPS)

    written = await env.write(reply)

    assert written.status is Status.COMPLETED
    assert written.parts == PARTS
    assert written.content == "Crete. Or Malta."


async def test_next_message_is_answered_without_the_reasoning(env):
    room = await env.room()
    env.model.will(*STEPS)
    await env.write(await env.reply(room))
    await env.write(await env.reply(room, "And in June?"))

    assert [turn.content for turn in env.model.asked[1].turns] == ["A question", "Crete. Or Malta.", "And in June?"]


async def test_reasoning_and_text_are_sent_as_they_come(env):
    reply = await env.reply()
    env.model.will(Reasoning("Hm"), Pause(1), "Yes", Pause(1), Reasoning("Hm"), Pause(1), ".")

    async with env.writing(reply):
        reader = await Reader().read(env.follow(reply))

    assert reader.events[:-1] == [
        AttemptStarted(EventId(1, 0)),
        Delta(EventId(1, 2), "Hm", PartKind.REASONING),
        Delta(EventId(1, 5), "Yes"),
        Delta(EventId(1, 7), "Hm", PartKind.REASONING),
        Delta(EventId(1, 8), "."),
    ]
    assert reader.events[-1].id == EventId(1, 9)


async def test_delayed_passages_of_both_kinds_are_sent_together_in_their_order(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("a", Reasoning("b"), Reasoning("c"), "d", gate)

    async with env.writing(reply), env.stream.follow(reply.id) as chunks:
        received = [await chunks.receive(within=1) for _ in range(4)]
        gate.open()

    assert received == [
        Chunk(1, 0, ""),
        Chunk(1, 0, "a"),
        Chunk(1, 1, "bc", PartKind.REASONING),
        Chunk(1, 3, "d"),
    ]


async def test_reply_stopped_while_the_model_thinks_keeps_its_reasoning(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will(Reasoning("Crete? Cyprus?"), gate)

    async with env.writing(reply):
        await gate.reached()
        stopped = await env.stop(reply)

    assert (stopped.status, stopped.content, stopped.parts) == (Status.STOPPED, "", (THOUGHT,))


async def test_reply_that_no_worker_holds_is_stopped_with_the_reasoning_of_its_stream(env):
    reply = await env.reply()
    assert await env.claim(reply, lease=0)
    await env.stream.append(reply.id, Chunk(1, 0, THOUGHT.text, PartKind.REASONING))

    stopped = await env.stop(reply)

    assert (stopped.status, stopped.parts) == (Status.STOPPED, (THOUGHT,))


@pytest.mark.parametrize("reason", FinishReason)
async def test_reason_of_the_end_is_stored(env, reason):
    reply = await env.reply()
    env.model.will("Text")
    env.model.reason = reason

    assert (await env.write(reply)).finish_reason is reason


async def test_endless_reply_is_completed_at_the_largest_length(env):
    reply = await env.reply()
    half = LARGEST_REPLY_CHARACTERS // 2
    env.model.will(Reasoning("r" * half), "t" * (half - 1), "ab", Gate())

    written = await env.write(reply)

    assert (written.status, written.finish_reason) == (Status.COMPLETED, FinishReason.LENGTH)
    assert written.content == "t" * (half - 1) + "a"
    assert len(env.model.closed_by) == 1


async def test_reply_of_exactly_the_largest_length_is_whole(env):
    reply = await env.reply()
    env.model.will("t" * LARGEST_REPLY_CHARACTERS)

    written = await env.write(reply)

    assert (len(written.content), written.finish_reason) == (LARGEST_REPLY_CHARACTERS, FinishReason.STOP)


async def test_reply_that_is_being_written_is_read_with_its_parts_so_far(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will(Reasoning("Crete? Cyprus?"), Pause(1), "Crete.", Pause(1), gate)

    async with env.writing(reply):
        await gate.reached()
        so_far = await add_parts_so_far(env.chat, await env.message(reply), account_id=env.account_id)
        gate.open()

    assert (so_far.status, so_far.content, so_far.parts) == (Status.GENERATING, "Crete.", (THOUGHT, TEXT))


async def test_reply_that_ends_while_it_is_read_is_read_again(env):
    reply = await env.reply()
    gate = Gate()
    env.model.will("Crete.", gate)
    async with env.writing(reply):
        await gate.reached()
        unfinished = await env.message(reply)
        gate.open()

    read = await add_parts_so_far(env.chat, unfinished, account_id=env.account_id)

    assert (read.status, read.content) == (Status.COMPLETED, "Crete.")


async def resumed(env: ChatEnvironment, reply: Message, offset: int) -> tuple[Part, ...]:
    """What a reader of `offset` characters receives."""
    async with aclosing(env.follow(reply, EventId(1, offset))) as events:
        found = [Part(event.kind, event.text) async for event in events if isinstance(event, Delta)]
    return join_parts(found)


async def test_ended_reply_is_resumed_from_every_position(env):
    reply = await env.reply()
    env.model.will(*STEPS)
    written = await env.write(reply)

    characters = [Part(part.kind, character) for part in PARTS for character in part.text]
    for offset in range(len(characters) + 1):
        assert await resumed(env, written, offset) == join_parts(characters[offset:])


@given(parts=readable_answers, data=st.data())
@settings(max_examples=200, deadline=None)
def test_reader_that_misses_chunks_and_is_cut_off_ends_with_the_parts_of_the_database(parts, data):
    chunks = list(split_into_chunks(1, parts))
    lost = data.draw(st.sets(st.sampled_from(range(len(chunks))))) if chunks else set()
    cut = data.draw(st.integers(0, len(chunks) + 1))

    async def read() -> tuple[Reader, Message]:
        env = ChatEnvironment()
        reply = await env.reply()
        env.model.will(*(part.text if part.kind is PartKind.TEXT else Reasoning(part.text) for part in parts))
        for number, chunk in enumerate(chunks):
            if number not in lost:
                await env.stream.append(reply.id, chunk)
        reader = Reader()
        async with aclosing(env.follow(reply)) as events:
            async for event in events:
                if isinstance(event, KeepAlive) or len(reader.events) == cut:
                    break
                reader.take(event)
        written = await env.write(reply)
        return await reader.read(env.follow(reply, reader.last)), written

    reader, written = run(read())
    assert join_parts(reader.read_parts) == written.parts == parts


@given(parts=parts_lists, data=st.data())
def test_chunks_however_cut_and_repeated_are_joined_to_the_parts(parts, data):
    chunks = []
    for chunk in split_into_chunks(1, parts):
        inside = data.draw(st.sets(st.integers(0, len(chunk.text)), max_size=3))
        for start, end in pairwise(sorted(inside | {0, len(chunk.text)})):
            piece = Chunk(1, chunk.start + start, chunk.text[start:end], chunk.kind)
            chunks += [piece] * data.draw(st.integers(1, 2))

    assert join_chunks(chunks) == parts


@given(parts=parts_lists)
def test_parts_are_stored_beside_the_content_without_its_text(parts):
    stored = encode_parts(parts)

    assert (stored is None) == all(part.kind is PartKind.TEXT for part in parts)
    if stored is not None:
        assert decode_parts(text_of(parts), stored) == parts


def test_parts_with_another_text_than_the_content_are_refused():
    with pytest.raises(ValueError, match="another text"):
        Message(None, None, None, "Malta.", Status.COMPLETED, None, parts=(TEXT,))
