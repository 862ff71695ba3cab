"""What is left of replies and nudges when Redis is cut off, killed, emptied, late or silent."""

import asyncio

from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, Reader, becomes_true, own_redis, process, scene
from tests.servers.tcp_proxy import TcpProxy


async def test_reader_misses_nothing_of_what_was_written_while_it_was_cut_off():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as api,
            process(server.url) as worker,
            scene(api.stream) as seen,
        ):
            await worker.stream.append(seen.reply.id, Chunk(1, 0, "One, "))
            await seen.shows("One, ")
            proxy.swallowing = True
            await worker.stream.append(seen.reply.id, Chunk(1, 5, "two, "))
            await worker.stream.append(seen.reply.id, Chunk(1, 10, "three, "))
            await worker.stream.text_so_far(seen.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            proxy.cut()
            await seen.shows("One, two, three, ")
            await worker.stream.append(seen.reply.id, Chunk(1, 17, "four."))
            await seen.shows("One, two, three, four.")
            assert not seen.following.done()


async def test_end_that_was_lost_with_the_connection_is_found_in_the_database():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as api,
            process(server.url) as worker,
            scene(api.stream) as seen,
        ):
            await worker.stream.append(seen.reply.id, Chunk(1, 0, "One, "))
            await seen.shows("One, ")
            proxy.swallowing = True
            await seen.end_in_the_database("One, two.")
            await worker.stream.end(seen.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            assert not seen.following.done()
            proxy.cut()
            async with asyncio.timeout(PATIENCE):
                await seen.following
            assert seen.reader.text == "One, two."


async def test_connection_that_dies_without_a_word_is_noticed():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url, pulse=0.1) as api,
            process(server.url) as worker,
            scene(api.stream) as seen,
        ):
            await worker.stream.append(seen.reply.id, Chunk(1, 0, "One, "))
            await seen.shows("One, ")
            proxy.silence()
            await worker.stream.append(seen.reply.id, Chunk(1, 5, "two."))
            await seen.shows("One, two.")


async def test_reader_survives_a_redis_that_is_killed_and_comes_back_empty():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, scene(api.stream) as seen:
            await worker.stream.append(seen.reply.id, Chunk(1, 0, "One, "))
            await seen.shows("One, ")
            server.kill()
            await worker.stream.append(seen.reply.id, Chunk(1, 5, "two, "))
            server.start()
            await seen.shows("One, two, ")
            await worker.stream.append(seen.reply.id, Chunk(1, 10, "three."))
            await seen.shows("One, two, three.")


async def test_emptied_redis_costs_present_readers_nothing_and_late_ones_only_time():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, scene(api.stream) as seen:
            await worker.stream.append(seen.reply.id, Chunk(1, 0, "One, "))
            await seen.shows("One, ")
            server.flush()
            await worker.stream.append(seen.reply.id, Chunk(1, 5, "two."))
            await seen.shows("One, two.")

            # The beginning is gone: no text at all is better than one with a hole.
            assert await api.stream.text_so_far(seen.reply.id) == ""
            late = Reader()
            following = asyncio.create_task(late.follow(seen.store, api.stream, seen.room, seen.reply))
            await becomes_true(lambda: late.attempts == [1])
            assert late.text == ""
            await seen.ends("One, two.", worker.stream)
            await following
            assert late.text == seen.reader.text == "One, two."


async def test_redis_that_is_down_is_silence():
    with own_redis() as server:
        server.kill()
        async with process(server.url) as made:
            reply_id = new_id()
            async with asyncio.timeout(PATIENCE), made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=0.05) is None
                assert await made.stream.text_so_far(reply_id) == ""
                server.start()
                await made.stream.append(reply_id, Chunk(1, 0, "Hello"))
                heard = [await reader.receive(within=PATIENCE) for _ in range(2)]
                # ENDED, since an end may have been missed.
                assert set(heard) == {Chunk(1, 0, "Hello"), StreamEnd.ENDED}


async def test_redis_that_answers_late_is_only_late():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, process(proxy.url) as made:
            proxy.delay = 0.1
            reply_id = new_id()
            await made.stream.append(reply_id, Chunk(1, 0, "Hello"))
            async with made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=PATIENCE) == Chunk(1, 0, "Hello")
                await made.stream.append(reply_id, Chunk(1, 5, "!"))
                assert await reader.receive(within=PATIENCE) == Chunk(1, 5, "!")


async def test_redis_that_goes_silent_keeps_nobody_for_long():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, process(proxy.url) as made:
            proxy.swallowing = True
            async with asyncio.timeout(PATIENCE):
                async with made.stream.follow(new_id()) as reader:
                    assert await reader.receive(within=0.01) is None
                assert await made.stream.text_so_far(new_id()) == ""
                await made.signals.send(new_id())
                assert not await made.link.answers()


async def test_nudges_that_may_have_been_lost_are_given_after_the_outage():
    with own_redis() as server:
        async with process(server.url) as worker, worker.signals.listen(new_id()) as nudged:
            server.kill()
            server.start()
            async with asyncio.timeout(PATIENCE):
                await nudged.wait()
