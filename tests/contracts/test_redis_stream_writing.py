"""Chunks that writers send are stored once and in order, whatever is lost on the way."""

import asyncio

import pytest

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.reply_stream.encoding import TTL_AFTER_END, TTL_WHILE_WRITING, key_of
from parley.adapters.redis.reply_stream.send_buffer import MAX_WAITING
from parley.core.chat.model import Chunk
from parley.core.chat.parts import PartKind
from parley.core.chat.ports import StreamEnd
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import becomes_true, own_redis, process, redis_client, shared_redis
from tests.fakes.streams import text_so_far
from tests.servers.tcp_proxy import TcpProxy

PATIENCE = 10.0


def chunks_of(text: str, attempt: int = 1, size: int = 3) -> list[Chunk]:
    return [Chunk(attempt, 0, "")] + [Chunk(attempt, at, text[at : at + size]) for at in range(0, len(text), size)]


async def entry_ids(client: RedisClient, reply_id) -> list[str]:
    return [entry_id.decode() for entry_id, _ in await client.commands.xrange(key_of(reply_id))]


@pytest.fixture
async def writer():
    async with process(shared_redis()) as made:
        yield made


async def test_entry_ids_are_attempt_and_end_and_stale_chunks_are_refused(writer):
    reply_id = new_id()
    for chunk in (Chunk(2, 0, ""), Chunk(2, 0, "Hi"), Chunk(1, 0, "from a worker that froze"), Chunk(2, 0, "Hi")):
        await writer.stream.append(reply_id, chunk)

    assert await text_so_far(writer.stream, reply_id) == "Hi"
    assert await entry_ids(writer.client, reply_id) == ["2-0", "2-2"]


async def test_entries_and_messages_of_text_are_those_of_the_version_before_and_reasoning_is_marked(writer):
    reply_id = new_id()
    async with writer.client.commands.pubsub() as channel:
        await channel.subscribe(key_of(reply_id))
        for chunk in (Chunk(1, 0, "Hi"), Chunk(1, 2, "hm", PartKind.REASONING)):
            await writer.stream.append(reply_id, chunk)
        async with asyncio.timeout(PATIENCE):
            heard = [await anext(messages) for messages in [channel.listen()] * 3]

    assert [message["data"] for message in heard[1:]] == [b"1 0 Hi", b"+1 2 hm"]
    assert [fields for _, fields in await writer.client.commands.xrange(key_of(reply_id))] == [
        {b"start": b"0", b"text": b"Hi"},
        {b"start": b"2", b"text": b"hm", b"kind": b"reasoning"},
    ]


async def test_later_attempt_removes_the_entries_of_the_earlier(writer):
    reply_id = new_id()
    for chunk in (*chunks_of("Hello"), Chunk(2, 0, "")):
        await writer.stream.append(reply_id, chunk)

    assert await text_so_far(writer.stream, reply_id) == ""
    assert await entry_ids(writer.client, reply_id) == ["2-0"]


async def test_after_the_end_a_late_chunk_is_refused_and_a_new_attempt_is_not(writer):
    reply_id = new_id()
    await writer.stream.append(reply_id, Chunk(1, 0, "Hello"))
    await writer.stream.end(reply_id)
    await writer.stream.append(reply_id, Chunk(1, 0, "Hell"))
    assert await text_so_far(writer.stream, reply_id) == ""

    await writer.stream.append(reply_id, Chunk(2, 0, "Bye"))
    assert await text_so_far(writer.stream, reply_id) == "Bye"


async def test_keys_expire(writer):
    reply_id = new_id()
    await writer.stream.append(reply_id, Chunk(1, 0, "Hello"))
    await text_so_far(writer.stream, reply_id)
    assert TTL_AFTER_END < await writer.client.commands.ttl(key_of(reply_id)) <= TTL_WHILE_WRITING

    await writer.stream.end(reply_id)
    await text_so_far(writer.stream, reply_id)
    assert 0 < await writer.client.commands.ttl(key_of(reply_id)) <= TTL_AFTER_END


async def test_batches_keep_the_order_of_many_replies(writer):
    text = "All work and no play. " * 20
    replies = [new_id() for _ in range(40)]
    async with asyncio.timeout(PATIENCE):
        for chunk in chunks_of(text):
            for reply_id in replies:
                await writer.stream.append(reply_id, chunk)
        await becomes_true(lambda: writer.stream.waiting == 0)
        assert [await text_so_far(writer.stream, reply_id) for reply_id in replies] == [text] * 40
    async with writer.stream.follow(replies[0]) as reader:
        assert [await reader.receive(within=PATIENCE) for _ in chunks_of(text)] == chunks_of(text)


async def test_end_comes_after_the_chunks_that_were_appended_before(writer):
    reply_id = new_id()
    text = "word " * 500
    async with writer.stream.follow(reply_id) as reader:
        for chunk in chunks_of(text):
            await writer.stream.append(reply_id, chunk)
        await writer.stream.end(reply_id)
        expected = [*chunks_of(text), StreamEnd.ENDED]
        assert [await reader.receive(within=PATIENCE) for _ in expected] == expected


async def test_refused_chunk_does_not_stop_others(writer, capsys):
    spoiled, *others = replies = [new_id() for _ in range(20)]
    await writer.client.commands.set(key_of(spoiled), "no stream")
    for reply_id in replies:
        await writer.stream.append(reply_id, Chunk(1, 0, "Hello"))
        await writer.stream.append(reply_id, Chunk(1, 5, "!"))
    await writer.stream.end(spoiled)

    assert [await text_so_far(writer.stream, reply_id) for reply_id in others] == ["Hello!"] * 19
    assert writer.stream.waiting == 0
    assert await writer.client.commands.get(key_of(spoiled)) == b"no stream"
    assert "(WRONGTYPE)" in capsys.readouterr().out


async def test_only_invalid_unicode_is_replaced(writer):
    reply_id = new_id()
    await writer.stream.append(reply_id, Chunk(1, 0, "half: \ud83d, "))
    await writer.stream.append(reply_id, Chunk(1, 9, "whole: \U0001f600 \0"))
    assert await text_so_far(writer.stream, reply_id) == "half: ?, whole: \U0001f600 \0"


async def test_lost_answers_duplicate_no_chunk():
    reply_id = new_id()
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as writer,
            redis_client(server.url) as client,
        ):
            for chunk in chunks_of("Say it once, and once only. "):
                lost = proxy.answers_lost
                proxy.cut_at_next_answer = True
                await writer.stream.append(reply_id, chunk)
                await becomes_true(lambda lost=lost: proxy.answers_lost > lost)
                await becomes_true(lambda: writer.stream.waiting == 0)
            assert await entry_ids(client, reply_id) == [
                f"1-{chunk.end}" for chunk in chunks_of("Say it once, and once only. ")
            ]


async def test_chunks_appended_in_an_outage_are_sent_after_it():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as writer:
            await writer.stream.append(reply_id, Chunk(1, 0, "Hello"))
            assert await text_so_far(writer.stream, reply_id) == "Hello"
            server.kill()
            async with asyncio.timeout(0.1):
                await writer.stream.append(reply_id, Chunk(1, 5, ", world"))
                await writer.stream.append(reply_id, Chunk(2, 0, "Bye"))
            assert await text_so_far(writer.stream, reply_id) == ""
            server.start()

            await becomes_true(lambda: writer.stream.waiting == 0)
            assert await text_so_far(writer.stream, reply_id) == "Bye"


async def test_long_outage_uses_no_more_memory_than_the_limit():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as writer:
            server.kill()
            for start in range(MAX_WAITING + 100):
                await writer.stream.append(reply_id, Chunk(1, start, "x"))
            assert writer.stream.waiting == MAX_WAITING
            server.start()

            await becomes_true(lambda: writer.stream.waiting == 0)
            assert await writer.client.commands.xlen(key_of(reply_id)) == MAX_WAITING
            [(last, _)] = await writer.client.commands.xrevrange(key_of(reply_id), count=1)
            assert last.decode() == f"1-{MAX_WAITING + 100}"


async def test_remaining_chunks_are_sent_at_the_end():
    reply_id = new_id()
    async with redis_client() as client:
        async with process(shared_redis()) as writer:
            await writer.stream.append(reply_id, Chunk(1, 0, "Hello"))
        assert await entry_ids(client, reply_id) == ["1-5"]
