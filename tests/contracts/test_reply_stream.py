"""The contract of reply streams while they lose nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.core.chat.model import Chunk
from parley.core.chat.parts import Part, PartKind
from parley.core.chat.ports import ReplyStream, StreamEnd, StreamSubscription
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import redis_stream
from tests.fakes.streams import text_so_far

PATIENCE = 30.0
BEGIN = Chunk(1, 0, "")
HELLO = Chunk(1, 0, "Hello")
WORLD = Chunk(1, 5, ", world")
DOT = Chunk(1, 12, ".")
AGAIN = Chunk(2, 0, "")
BYE = Chunk(2, 0, "Bye")


@asynccontextmanager
async def memory() -> AsyncGenerator[ReplyStream, None]:
    yield MemoryReplyStream()


@pytest.fixture(params=[pytest.param(memory, id="memory"), pytest.param(redis_stream, id="redis")])
async def stream(request):
    async with request.param() as opened:
        yield opened


async def received(chunks: StreamSubscription, count: int) -> list[Chunk | StreamEnd | None]:
    return [await chunks.receive(within=PATIENCE) for _ in range(count)]


async def backlog(stream: ReplyStream, reply_id) -> list[Chunk]:
    """The chunks that a new reader receives before the next one is appended."""
    last = Chunk(1_000, 1_000, "last")
    found = []
    async with stream.follow(reply_id) as chunks:
        await stream.append(reply_id, last)
        while (chunk := await chunks.receive(within=PATIENCE)) != last:
            found.append(chunk)
    await stream.end(reply_id)
    return found


async def test_reader_receives_earlier_and_then_later_chunks(stream):
    reply_id = new_id()
    for chunk in (BEGIN, HELLO):
        await stream.append(reply_id, chunk)

    async with stream.follow(reply_id) as chunks:
        assert await received(chunks, 2) == [BEGIN, HELLO]
        await stream.append(reply_id, WORLD)
        assert await received(chunks, 1) == [WORLD]
        await stream.append(reply_id, DOT)
        await stream.end(reply_id)
        assert await received(chunks, 2) == [DOT, StreamEnd.ENDED]


async def test_reader_can_subscribe_before_the_first_chunk(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as chunks:
        first = asyncio.create_task(chunks.receive(within=PATIENCE))
        await asyncio.sleep(0)
        await stream.append(reply_id, BEGIN)
        assert await first == BEGIN
        await stream.end(reply_id)
        assert await received(chunks, 1) == [StreamEnd.ENDED]


async def test_every_reader_receives_every_chunk(stream):
    reply_id = new_id()
    await stream.append(reply_id, HELLO)
    async with stream.follow(reply_id) as early, stream.follow(reply_id) as leaves:
        assert await received(leaves, 1) == [HELLO]
        await stream.append(reply_id, WORLD)
        async with stream.follow(reply_id) as late:
            await stream.append(reply_id, DOT)
            await stream.end(reply_id)
            for reader in (early, late):
                assert await received(reader, 4) == [HELLO, WORLD, DOT, StreamEnd.ENDED]


async def test_end_of_a_subscription_does_not_affect_others(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as stays:
        async with stream.follow(reply_id):
            await stream.append(reply_id, HELLO)
        await stream.append(reply_id, WORLD)
        assert await received(stays, 2) == [HELLO, WORLD]
    assert await backlog(stream, reply_id) == [HELLO, WORLD]


async def test_replies_do_not_mix(stream):
    mine, other = new_id(), new_id()
    async with stream.follow(mine) as chunks:
        await stream.append(other, HELLO)
        await stream.end(other)
        await stream.append(mine, BYE)
        assert await received(chunks, 1) == [BYE]
    assert await text_so_far(stream, mine) == "Bye"


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param(WORLD, id="the same again"),
        pytest.param(HELLO, id="an earlier one again"),
        pytest.param(BEGIN, id="the beginning again"),
        pytest.param(Chunk(1, 5, ", wor"), id="a part of the last"),
        pytest.param(Chunk(1, 3, "lo, world"), id="the last cut otherwise"),
        pytest.param(Chunk(0, 100, "from long ago"), id="an earlier attempt"),
    ],
)
async def test_chunk_that_is_not_after_the_last_is_dropped(stream, stale):
    reply_id = new_id()
    async with stream.follow(reply_id) as chunks:
        for chunk in (BEGIN, HELLO, WORLD, stale, DOT):
            await stream.append(reply_id, chunk)
        assert await received(chunks, 4) == [BEGIN, HELLO, WORLD, DOT]
    assert await text_so_far(stream, reply_id) == "Hello, world."
    assert await backlog(stream, reply_id) == [BEGIN, HELLO, WORLD, DOT]


async def test_first_chunk_follows_the_empty_one_at_the_same_position(stream):
    reply_id = new_id()
    for chunk in (BEGIN, BEGIN, HELLO, HELLO):
        await stream.append(reply_id, chunk)

    assert await backlog(stream, reply_id) == [BEGIN, HELLO]


async def test_later_attempt_replaces_the_earlier(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as chunks:
        for chunk in (BEGIN, HELLO, AGAIN, WORLD, DOT, BYE):
            await stream.append(reply_id, chunk)
        assert await received(chunks, 4) == [BEGIN, HELLO, AGAIN, BYE]
    assert await text_so_far(stream, reply_id) == "Bye"
    assert await backlog(stream, reply_id) == [AGAIN, BYE]


async def test_text_so_far_grows_with_the_latest_attempt(stream):
    reply_id = new_id()
    texts = [await text_so_far(stream, reply_id)]
    for chunk in (BEGIN, HELLO, WORLD, AGAIN, BYE):
        await stream.append(reply_id, chunk)
        texts.append(await text_so_far(stream, reply_id))

    assert texts == ["", "", "Hello", "Hello, world", "", "Bye"]


async def test_text_so_far_ends_before_a_gap_without_repetition(stream):
    reply_id = new_id()
    for chunk in (HELLO, Chunk(1, 3, "lo, wo"), DOT):
        await stream.append(reply_id, chunk)

    assert await text_so_far(stream, reply_id) == "Hello, wo"


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
async def test_chunks_are_deleted_at_the_end(stream, watched):
    reply_id = new_id()
    if watched:
        async with stream.follow(reply_id):
            await stream.append(reply_id, HELLO)
            await stream.end(reply_id)
            assert await text_so_far(stream, reply_id) == ""
    else:
        await stream.append(reply_id, HELLO)
        await stream.end(reply_id)
    assert await text_so_far(stream, reply_id) == ""
    assert await backlog(stream, reply_id) == []


async def test_end_of_an_unknown_reply_is_no_error(stream):
    reply_id = new_id()
    await stream.end(reply_id)
    await stream.end(reply_id)

    assert await backlog(stream, reply_id) == []


async def test_chunks_are_stored_without_readers(stream):
    reply_id = new_id()
    async with stream.follow(reply_id):
        await stream.append(reply_id, HELLO)
    await stream.append(reply_id, WORLD)

    assert await text_so_far(stream, reply_id) == "Hello, world"
    assert await backlog(stream, reply_id) == [HELLO, WORLD]


async def test_receive_returns_none_after_a_silence(stream):
    reply_id = new_id()
    async with asyncio.timeout(PATIENCE), stream.follow(reply_id) as chunks:
        assert await chunks.receive(within=0.02) is None
        assert await chunks.receive(within=0.02) is None
        await stream.append(reply_id, HELLO)
        assert await chunks.receive(within=PATIENCE) == HELLO


async def test_cancelled_receive_loses_nothing(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as chunks:
        waiting = asyncio.create_task(chunks.receive(within=PATIENCE))
        await asyncio.sleep(0)
        waiting.cancel()
        await stream.append(reply_id, HELLO)
        await asyncio.wait([waiting])
        assert await chunks.receive(within=PATIENCE) == HELLO


async def test_close_is_sent_to_every_reader(stream):
    watched, unwatched = new_id(), new_id()
    async with asyncio.timeout(PATIENCE), stream.follow(watched) as first, stream.follow(watched) as second:
        stream.close()
        for chunks in (first, second):
            assert await chunks.receive(within=PATIENCE) is StreamEnd.CLOSED
        for reply_id in (watched, unwatched):
            async with stream.follow(reply_id) as late:
                assert await late.receive(within=PATIENCE) is StreamEnd.CLOSED


async def test_writers_can_append_after_the_close(stream):
    reply_id = new_id()
    stream.close()
    stream.close()
    await stream.append(reply_id, HELLO)
    assert await text_so_far(stream, reply_id) == "Hello"
    async with stream.follow(reply_id) as chunks:
        assert StreamEnd.CLOSED in await received(chunks, 2)
    await stream.end(reply_id)
    assert await text_so_far(stream, reply_id) == ""


async def test_reasoning_and_text_stay_what_they_are(stream):
    reply_id = new_id()
    # Beginning like a mark, and like a number.
    sent = [
        BEGIN,
        Chunk(1, 0, "+1 2 hm", PartKind.REASONING),
        Chunk(1, 7, "+1 7 yes"),
        Chunk(1, 15, "", PartKind.REASONING),
        Chunk(1, 15, "reasoning ", PartKind.REASONING),
        Chunk(1, 25, "."),
    ]
    kept = [chunk for chunk in sent if chunk.text or chunk is BEGIN]
    async with stream.follow(reply_id) as chunks:
        for chunk in sent:
            await stream.append(reply_id, chunk)
        assert await received(chunks, len(kept)) == kept
    assert await stream.parts_so_far(reply_id) == tuple(Part(chunk.kind, chunk.text) for chunk in kept[1:])
    assert await backlog(stream, reply_id) == kept
