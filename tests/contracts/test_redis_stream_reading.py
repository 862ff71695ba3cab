"""Readers of replies get everything in order over few connections, whenever they subscribe and leave."""

import asyncio

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, process, redis_client, shared_redis


async def test_missing_message_is_fetched_from_the_stream():
    """A message may be lost without a lost connection: the next one shows the gap."""
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        await made.stream.append(reply_id, Chunk(1, 0, "One, "))
        assert await reader.receive(within=PATIENCE) == Chunk(1, 0, "One, ")
        await made.client.commands.xadd(f"parley:reply:{reply_id}", {"start": 5, "text": "two, "}, id="1-10")
        await made.stream.append(reply_id, Chunk(1, 10, "three."))
        assert await reader.receive(within=PATIENCE) == Chunk(1, 5, "two, ")
        assert await reader.receive(within=PATIENCE) == Chunk(1, 10, "three.")


async def test_chunk_that_is_lost_for_good_does_not_block_the_next():
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        for chunk in (Chunk(1, 0, "One, "), Chunk(1, 10, "three.")):
            await made.stream.append(reply_id, chunk)
            assert await reader.receive(within=PATIENCE) == chunk


async def test_simultaneous_first_subscriptions_all_receive():
    replies = [new_id() for _ in range(50)]
    async with process(shared_redis()) as api, process(shared_redis()) as worker:

        async def first_chunk(reply_id) -> object:
            async with api.stream.follow(reply_id) as reader:
                opened.release()
                return await reader.receive(within=PATIENCE)

        opened = asyncio.Semaphore(0)
        reading = [asyncio.create_task(first_chunk(reply_id)) for reply_id in replies]
        async with asyncio.timeout(PATIENCE):
            for _ in replies:
                await opened.acquire()
        for number, reply_id in enumerate(replies):
            await worker.stream.append(reply_id, Chunk(1, 0, f"Text {number}"))
        assert await asyncio.gather(*reading) == [Chunk(1, 0, f"Text {number}") for number in range(50)]


async def test_a_thousand_readers_use_two_connections():
    replies = [new_id() for _ in range(1_000)]
    with own_redis() as server:
        async with (
            process(server.url) as worker,
            process(f"{server.url}?client_name=api") as api,
            redis_client(server.url) as client,
        ):

            async def connections() -> list[str]:
                return [client["id"] for client in await client.commands.client_list() if client["name"] == "api"]

            readings = [asyncio.create_task(read_text(api.stream, reply_id, 25)) for reply_id in replies]
            await becomes_true(lambda: all_subscribed(client, len(replies)))
            for start in range(0, 25, 5):
                for reply_id in replies:
                    await worker.stream.append(reply_id, Chunk(1, start, "five "))
                assert len(await connections()) <= 2
            async with asyncio.timeout(PATIENCE * 3):
                assert set(await asyncio.gather(*readings)) == {"five " * 5}
            assert len(await connections()) <= 2
            await becomes_true(lambda: all_subscribed(client, 0))


async def test_cancelled_reader_unsubscribes():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as api, redis_client(server.url) as client:
            reading = asyncio.create_task(read_text(api.stream, reply_id, 5))
            await becomes_true(lambda: all_subscribed(client, 1))
            reading.cancel()
            await asyncio.wait({reading})
            await becomes_true(lambda: all_subscribed(client, 0))


async def test_reader_receives_after_many_others_subscribed_and_left():
    reply_id = new_id()
    async with process(shared_redis()) as made:
        for start in range(0, 200, 2):
            async with made.stream.follow(reply_id):
                pass
            async with made.stream.follow(reply_id) as reader:
                await made.stream.append(reply_id, Chunk(1, start, "ab"))
                received_chunks = [await reader.receive(within=PATIENCE) for _ in range(start // 2 + 1)]
                assert received_chunks[-1] == Chunk(1, start, "ab")


async def read_text(stream: ReplyStream, reply_id, length: int) -> str:
    text = ""
    async with stream.follow(reply_id) as reader:
        while len(text) < length:
            received = await reader.receive(within=PATIENCE * 3)
            # ENDED may come at any time: on a busy machine a reader opens before its channel is confirmed.
            if isinstance(received, Chunk):
                assert received.start == len(text)
                text += received.text
    return text


async def all_subscribed(client, count: int) -> bool:
    return len(await client.commands.pubsub_channels("parley:reply:*")) == count
