"""Replies and stop signals while Redis is disconnected, killed, emptied, late or silent."""

import asyncio

import pytest

from parley.adapters.redis.client.probe import find_fault
from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, Reader, becomes_true, followed_reply, own_redis, process
from tests.fakes.streams import text_so_far
from tests.servers.tcp_proxy import TcpProxy


async def test_reader_gets_everything_written_while_it_was_disconnected():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as api,
            process(server.url) as worker,
            followed_reply(api.stream) as followed,
        ):
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            proxy.swallowing = True
            await worker.stream.append(followed.reply.id, Chunk(1, 5, "two, "))
            await worker.stream.append(followed.reply.id, Chunk(1, 10, "three, "))
            await text_so_far(worker.stream, followed.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            proxy.cut()
            await followed.shows("One, two, three, ")
            await worker.stream.append(followed.reply.id, Chunk(1, 17, "four."))
            await followed.shows("One, two, three, four.")
            assert not followed.following.done()


async def test_end_lost_with_the_connection_is_found_in_the_database():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as api,
            process(server.url) as worker,
            followed_reply(api.stream) as followed,
        ):
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            proxy.swallowing = True
            await followed.end_in_the_database("One, two.")
            await worker.stream.end(followed.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            assert not followed.following.done()
            proxy.cut()
            async with asyncio.timeout(PATIENCE):
                await followed.following
            assert followed.reader.text == "One, two."


async def test_connection_that_goes_silent_is_replaced():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url, ping_seconds=0.1, answer_seconds=0.3) as api,
            process(server.url) as worker,
            followed_reply(api.stream) as followed,
        ):
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            proxy.silence()
            await worker.stream.append(followed.reply.id, Chunk(1, 5, "two."))
            await followed.shows("One, two.")


async def test_reader_survives_a_redis_that_is_killed_and_restarted_empty():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, followed_reply(api.stream) as followed:
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            server.kill()
            await worker.stream.append(followed.reply.id, Chunk(1, 5, "two, "))
            server.start()
            await followed.shows("One, two, ")
            await worker.stream.append(followed.reply.id, Chunk(1, 10, "three."))
            await followed.shows("One, two, three.")


async def test_emptied_redis_delays_only_readers_that_come_later():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, followed_reply(api.stream) as followed:
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            server.flush()
            await worker.stream.append(followed.reply.id, Chunk(1, 5, "two."))
            await followed.shows("One, two.")

            # The beginning is gone: no text is better than text with a gap.
            assert await text_so_far(api.stream, followed.reply.id) == ""
            late = Reader()
            following = asyncio.create_task(late.follow(followed.store, api.stream, followed.room, followed.reply))
            await becomes_true(lambda: late.attempts == [1])
            assert late.text == ""
            await followed.ends("One, two.", worker.stream)
            await following
            assert late.text == followed.reader.text == "One, two."


async def test_reader_without_redis_receives_nothing_until_redis_starts():
    with own_redis() as server:
        server.kill()
        async with process(server.url) as made:
            reply_id = new_id()
            async with asyncio.timeout(PATIENCE), made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=0.05) is None
                assert await text_so_far(made.stream, reply_id) == ""
                server.start()
                await made.stream.append(reply_id, Chunk(1, 0, "Hello"))
                received = [await reader.receive(within=PATIENCE) for _ in range(2)]
                # ENDED because an end may have been missed.
                assert set(received) == {Chunk(1, 0, "Hello"), StreamEnd.ENDED}


async def test_late_answers_only_delay():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, process(proxy.url) as made:
            proxy.delay = 0.1
            reply_id = new_id()
            await made.stream.append(reply_id, Chunk(1, 0, "Hello"))
            async with made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=PATIENCE) == Chunk(1, 0, "Hello")
                await made.stream.append(reply_id, Chunk(1, 5, "!"))
                assert await reader.receive(within=PATIENCE) == Chunk(1, 5, "!")


async def test_silent_redis_blocks_no_caller_for_long():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, process(proxy.url, answer_seconds=0.3) as made:
            proxy.swallowing = True
            async with asyncio.timeout(PATIENCE):
                async with made.stream.follow(new_id()) as reader:
                    assert await reader.receive(within=0.01) is None
                assert await text_so_far(made.stream, new_id()) == ""
                await made.signals.send(new_id())
                assert await find_fault(made.client, within=0.3) is not None


async def test_signals_that_may_have_been_lost_are_set_after_the_outage():
    with own_redis() as server:
        async with process(server.url) as worker, worker.signals.listen(new_id()) as signalled:
            server.kill()
            server.start()
            async with asyncio.timeout(PATIENCE):
                await signalled.wait()


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        pytest.param("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", id="full"),
        pytest.param("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", id="replica"),
        pytest.param("ACL SETUSER default -eval", "ACL SETUSER default +eval", id="no scripts"),
        pytest.param("ACL SETUSER default resetchannels", "ACL SETUSER default allchannels", id="no channels"),
    ],
)
async def test_what_redis_took_not_is_sent_when_it_takes_it_again(begin, end):
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, followed_reply(api.stream) as followed:
            await worker.stream.append(followed.reply.id, Chunk(1, 0, "One, "))
            await followed.shows("One, ")
            assert server.ask(begin) == b"+OK"
            await worker.stream.append(followed.reply.id, Chunk(1, 5, "two, "))
            await becomes_true(lambda: worker.client.outage.lasts)
            assert server.ask(end) == b"+OK"
            await worker.stream.append(followed.reply.id, Chunk(1, 10, "three."))
            await followed.shows("One, two, three.")
