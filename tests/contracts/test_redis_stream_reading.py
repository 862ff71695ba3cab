"""What readers get of replies: everything, in order, over few connections, however they come and go."""

import asyncio

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, process, redis_link, shared_redis


async def test_missing_message_is_fetched_from_the_stream():
    """A message may be lost with no connection lost: a later one that does not join shows it."""
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        await made.stream.append(reply_id, Chunk(1, 0, "One, "))
        assert await reader.receive(within=PATIENCE) == Chunk(1, 0, "One, ")
        await made.link.commands.xadd(f"parley:reply:{reply_id}", {"start": 5, "text": "two, "}, id="1-10")
        await made.stream.append(reply_id, Chunk(1, 10, "three."))
        assert await reader.receive(within=PATIENCE) == Chunk(1, 5, "two, ")
        assert await reader.receive(within=PATIENCE) == Chunk(1, 10, "three.")


async def test_piece_lost_for_good_holds_nothing_up():
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        for piece in (Chunk(1, 0, "One, "), Chunk(1, 10, "three.")):
            await made.stream.append(reply_id, piece)
            assert await reader.receive(within=PATIENCE) == piece


async def test_first_subscriptions_at_the_same_time_all_hear():
    replies = [new_id() for _ in range(50)]
    async with process(shared_redis()) as api, process(shared_redis()) as worker:

        async def first_piece(reply_id) -> object:
            async with api.stream.follow(reply_id) as reader:
                opened.release()
                return await reader.receive(within=PATIENCE)

        opened = asyncio.Semaphore(0)
        reading = [asyncio.create_task(first_piece(reply_id)) for reply_id in replies]
        async with asyncio.timeout(PATIENCE):
            for _ in replies:
                await opened.acquire()
        for number, reply_id in enumerate(replies):
            await worker.stream.append(reply_id, Chunk(1, 0, f"Text {number}"))
        assert await asyncio.gather(*reading) == [Chunk(1, 0, f"Text {number}") for number in range(50)]


async def test_thousand_readers_use_two_connections():
    replies = [new_id() for _ in range(1_000)]
    with own_redis() as server:
        async with (
            process(server.url) as worker,
            process(f"{server.url}?client_name=api") as api,
            redis_link(server.url) as link,
        ):

            async def connections() -> list[str]:
                return [client["id"] for client in await link.commands.client_list() if client["name"] == "api"]

            readings = [asyncio.create_task(read_text(api.stream, reply_id, 25)) for reply_id in replies]
            await becomes_true(lambda: all_subscribed(link, len(replies)))
            for start in range(0, 25, 5):
                for reply_id in replies:
                    await worker.stream.append(reply_id, Chunk(1, start, "five "))
                assert len(await connections()) <= 2
            async with asyncio.timeout(PATIENCE * 3):
                assert set(await asyncio.gather(*readings)) == {"five " * 5}
            assert len(await connections()) <= 2
            await becomes_true(lambda: all_subscribed(link, 0))


async def test_reader_that_is_cancelled_leaves_its_channel():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as api, redis_link(server.url) as link:
            reading = asyncio.create_task(read_text(api.stream, reply_id, 5))
            await becomes_true(lambda: all_subscribed(link, 1))
            reading.cancel()
            await asyncio.wait({reading})
            await becomes_true(lambda: all_subscribed(link, 0))


async def test_coming_and_going_leaves_readers_that_hear():
    reply_id = new_id()
    async with process(shared_redis()) as made:
        for start in range(0, 200, 2):
            async with made.stream.follow(reply_id):
                pass
            async with made.stream.follow(reply_id) as reader:
                await made.stream.append(reply_id, Chunk(1, start, "ab"))
                heard = [await reader.receive(within=PATIENCE) for _ in range(start // 2 + 1)]
                assert heard[-1] == Chunk(1, start, "ab")


async def read_text(stream: ReplyStream, reply_id, length: int) -> str:
    text = ""
    async with stream.follow(reply_id) as reader:
        while len(text) < length:
            received = await reader.receive(within=PATIENCE * 3)
            # ENDED may come any time: on a busy machine a reader opens before its channel is joined.
            if isinstance(received, Chunk):
                assert received.start == len(text)
                text += received.text
    return text


async def all_subscribed(link, count: int) -> bool:
    return len(await link.commands.pubsub_channels("parley:reply:*")) == count
