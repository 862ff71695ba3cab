"""What every wire for replies keeps to while nothing is lost on it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from parley.adapters.memory.reply_stream import MemoryReplyStream
from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream, StreamEnd, StreamSubscription
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import redis_stream

PATIENCE = 5.0
MARK = Chunk(1, 0, "")
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


async def received(pieces: StreamSubscription, count: int) -> list[Chunk | StreamEnd | None]:
    return [await pieces.receive(within=PATIENCE) for _ in range(count)]


async def backlog(stream: ReplyStream, reply_id) -> list[Chunk]:
    """What a reader that comes now gets before the next piece."""
    last = Chunk(1_000, 1_000, "last")
    found = []
    async with stream.follow(reply_id) as pieces:
        await stream.append(reply_id, last)
        while (piece := await pieces.receive(within=PATIENCE)) != last:
            found.append(piece)
    await stream.end(reply_id)
    return found


async def test_reader_gets_what_was_written_and_then_what_comes(stream):
    reply_id = new_id()
    for piece in (MARK, HELLO):
        await stream.append(reply_id, piece)

    async with stream.follow(reply_id) as pieces:
        assert await received(pieces, 2) == [MARK, HELLO]
        await stream.append(reply_id, WORLD)
        assert await received(pieces, 1) == [WORLD]
        await stream.append(reply_id, DOT)
        await stream.end(reply_id)
        assert await received(pieces, 2) == [DOT, StreamEnd.ENDED]


async def test_reader_may_come_before_the_first_piece(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as pieces:
        first = asyncio.create_task(pieces.receive(within=PATIENCE))
        await asyncio.sleep(0)
        await stream.append(reply_id, MARK)
        assert await first == MARK
        await stream.end(reply_id)
        assert await received(pieces, 1) == [StreamEnd.ENDED]


async def test_every_reader_gets_everything(stream):
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


async def test_reader_that_leaves_does_not_disturb_the_others(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as stays:
        async with stream.follow(reply_id):
            await stream.append(reply_id, HELLO)
        await stream.append(reply_id, WORLD)
        assert await received(stays, 2) == [HELLO, WORLD]
    assert await backlog(stream, reply_id) == [HELLO, WORLD]


async def test_replies_do_not_mix(stream):
    mine, other = new_id(), new_id()
    async with stream.follow(mine) as pieces:
        await stream.append(other, HELLO)
        await stream.end(other)
        await stream.append(mine, BYE)
        assert await received(pieces, 1) == [BYE]
    assert await stream.text_so_far(mine) == "Bye"


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param(WORLD, id="the same again"),
        pytest.param(HELLO, id="an earlier one again"),
        pytest.param(MARK, id="the beginning again"),
        pytest.param(Chunk(1, 5, ", wor"), id="a part of the last"),
        pytest.param(Chunk(1, 3, "lo, world"), id="the last cut otherwise"),
        pytest.param(Chunk(0, 100, "from long ago"), id="an earlier attempt"),
    ],
)
async def test_piece_not_after_the_last_is_dropped(stream, stale):
    reply_id = new_id()
    async with stream.follow(reply_id) as pieces:
        for piece in (MARK, HELLO, WORLD, stale, DOT):
            await stream.append(reply_id, piece)
        assert await received(pieces, 4) == [MARK, HELLO, WORLD, DOT]
    assert await stream.text_so_far(reply_id) == "Hello, world."
    assert await backlog(stream, reply_id) == [MARK, HELLO, WORLD, DOT]


async def test_first_piece_is_after_the_mark_at_the_same_place(stream):
    reply_id = new_id()
    for piece in (MARK, MARK, HELLO, HELLO):
        await stream.append(reply_id, piece)

    assert await backlog(stream, reply_id) == [MARK, HELLO]


async def test_later_attempt_takes_the_place_of_the_earlier(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as pieces:
        for piece in (MARK, HELLO, AGAIN, WORLD, DOT, BYE):
            await stream.append(reply_id, piece)
        assert await received(pieces, 4) == [MARK, HELLO, AGAIN, BYE]
    assert await stream.text_so_far(reply_id) == "Bye"
    assert await backlog(stream, reply_id) == [AGAIN, BYE]


async def test_text_so_far_grows_with_the_latest_attempt(stream):
    reply_id = new_id()
    texts = [await stream.text_so_far(reply_id)]
    for piece in (MARK, HELLO, WORLD, AGAIN, BYE):
        await stream.append(reply_id, piece)
        texts.append(await stream.text_so_far(reply_id))

    assert texts == ["", "", "Hello", "Hello, world", "", "Bye"]


async def test_text_so_far_ends_before_a_gap_and_repeats_nothing(stream):
    reply_id = new_id()
    for piece in (HELLO, Chunk(1, 3, "lo, wo"), DOT):
        await stream.append(reply_id, piece)

    assert await stream.text_so_far(reply_id) == "Hello, wo"


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "unwatched"])
async def test_nothing_is_kept_after_the_end(stream, watched):
    reply_id = new_id()
    if watched:
        async with stream.follow(reply_id):
            await stream.append(reply_id, HELLO)
            await stream.end(reply_id)
            assert await stream.text_so_far(reply_id) == ""
    else:
        await stream.append(reply_id, HELLO)
        await stream.end(reply_id)
    assert await stream.text_so_far(reply_id) == ""
    assert await backlog(stream, reply_id) == []


async def test_end_of_what_nobody_wrote_or_reads_is_no_error(stream):
    reply_id = new_id()
    await stream.end(reply_id)
    await stream.end(reply_id)

    assert await backlog(stream, reply_id) == []


async def test_pieces_stay_while_no_reader_is_there(stream):
    reply_id = new_id()
    async with stream.follow(reply_id):
        await stream.append(reply_id, HELLO)
    await stream.append(reply_id, WORLD)

    assert await stream.text_so_far(reply_id) == "Hello, world"
    assert await backlog(stream, reply_id) == [HELLO, WORLD]


async def test_silence_is_none(stream):
    reply_id = new_id()
    async with asyncio.timeout(PATIENCE), stream.follow(reply_id) as pieces:
        assert await pieces.receive(within=0.02) is None
        assert await pieces.receive(within=0.02) is None
        await stream.append(reply_id, HELLO)
        assert await pieces.receive(within=PATIENCE) == HELLO


async def test_cancelled_wait_loses_nothing(stream):
    reply_id = new_id()
    async with stream.follow(reply_id) as pieces:
        waiting = asyncio.create_task(pieces.receive(within=PATIENCE))
        await asyncio.sleep(0)
        waiting.cancel()
        await stream.append(reply_id, HELLO)
        await asyncio.wait([waiting])
        assert await pieces.receive(within=PATIENCE) == HELLO


async def test_closed_stream_says_so_to_every_reader(stream):
    watched, unwatched = new_id(), new_id()
    async with asyncio.timeout(PATIENCE), stream.follow(watched) as first, stream.follow(watched) as second:
        stream.close()
        for pieces in (first, second):
            assert await pieces.receive(within=PATIENCE) is StreamEnd.CLOSED
        for reply_id in (watched, unwatched):
            async with stream.follow(reply_id) as late:
                assert await late.receive(within=PATIENCE) is StreamEnd.CLOSED


async def test_writers_go_on_after_the_close(stream):
    reply_id = new_id()
    stream.close()
    stream.close()
    await stream.append(reply_id, HELLO)
    assert await stream.text_so_far(reply_id) == "Hello"
    async with stream.follow(reply_id) as pieces:
        assert StreamEnd.CLOSED in await received(pieces, 2)
    await stream.end(reply_id)
    assert await stream.text_so_far(reply_id) == ""
