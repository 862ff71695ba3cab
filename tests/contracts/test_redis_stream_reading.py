"""What readers get of a reply while the wire between is cut, emptied, slow or crowded."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from parley.core.chat.follow_reply import Delta, Ended, Quiet, ReplyEvent, Started, follow_reply
from parley.core.chat.model import Ending, Message, Piece, Room, Status
from parley.core.chat.ports import ReplyStream, StreamEnd
from tests.contracts.chat_fixtures import NOW, Store, memory, new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, process, redis_link, shared_redis
from tests.servers.tcp_proxy import TcpProxy

LONG_AGO = 3_600.0


@dataclass
class Reader:
    """Follows one reply as a client would, and checks each event against the place of the one before."""

    text: str = ""
    attempts: list[int] = field(default_factory=list)
    message: Message | None = None
    events: int = 0

    def read(self, event: ReplyEvent) -> None:
        self.events += 1
        match event:
            case Started(place):
                self.text = ""
                self.attempts.append(place.attempt)
            case Delta(place, text):
                self.text += text
                assert place.offset == len(self.text), "a gap or a repeat"
            case Ended(_, message):
                self.message = message
            case Quiet():
                pass

    async def follow(self, store: Store, stream: ReplyStream, room: Room, reply: Message) -> None:
        async for event in follow_reply(
            uow=store.chat,
            stream=stream,
            account_id=room.account_id,
            room_id=room.id,
            reply_id=reply.id,
            after=None,
            quiet=LONG_AGO,
        ):
            self.read(event)


@dataclass
class Scene:
    """A reply that is claimed, in a store, and a reader who follows it until the scene ends."""

    store: Store
    room: Room
    reply: Message
    reader: Reader
    following: asyncio.Task[None]

    async def shows(self, text: str) -> None:
        await becomes_true(lambda: self.reader.text == text)

    async def ended(self, text: str) -> Message:
        """The reader's last message, once the database has the end."""
        claim = await self.store.claim(self.reply)
        assert await self.store.end(claim, Ending(Status.COMPLETED, text, NOW))
        async with asyncio.timeout(PATIENCE):
            await self.following
        assert self.reader.message is not None
        return self.reader.message


@asynccontextmanager
async def scene(stream: ReplyStream) -> AsyncGenerator[Scene, None]:
    async with memory(Path()) as store:
        room = await store.new_room()
        reply = await store.new_reply(room)
        reader = Reader()
        following = asyncio.create_task(reader.follow(store, stream, room, reply))
        try:
            yield Scene(store, room, reply, reader, following)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def test_reader_misses_nothing_of_what_was_written_while_it_was_cut_off():
    with own_redis() as server:
        async with (
            TcpProxy(server.port).running() as proxy,
            process(proxy.url) as api,
            process(server.url) as worker,
            scene(api.stream) as seen,
        ):
            await worker.stream.append(seen.reply.id, Piece(1, 0, "One, "))
            await seen.shows("One, ")
            proxy.swallowing = True
            await worker.stream.append(seen.reply.id, Piece(1, 5, "two, "))
            await worker.stream.append(seen.reply.id, Piece(1, 10, "three, "))
            await worker.stream.text_so_far(seen.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            proxy.cut()
            await seen.shows("One, two, three, ")
            await worker.stream.append(seen.reply.id, Piece(1, 17, "four."))
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
            await worker.stream.append(seen.reply.id, Piece(1, 0, "One, "))
            await seen.shows("One, ")
            proxy.swallowing = True
            claim = await seen.store.claim(seen.reply)
            assert await seen.store.end(claim, Ending(Status.COMPLETED, "One, two.", NOW))
            await worker.stream.end(seen.reply.id)
            await becomes_true(lambda: proxy.answers_lost >= 1)
            proxy.swallowing = False
            assert not seen.following.done()
            proxy.cut()
            async with asyncio.timeout(PATIENCE):
                await seen.following
            assert seen.reader.text == "One, two."


async def test_reader_survives_a_redis_that_is_killed_and_comes_back_empty():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, scene(api.stream) as seen:
            await worker.stream.append(seen.reply.id, Piece(1, 0, "One, "))
            await seen.shows("One, ")
            server.kill()
            await worker.stream.append(seen.reply.id, Piece(1, 5, "two, "))
            server.start()
            await seen.shows("One, two, ")
            await worker.stream.append(seen.reply.id, Piece(1, 10, "three."))
            await seen.shows("One, two, three.")


async def test_emptied_redis_costs_present_readers_nothing_and_late_ones_only_time():
    with own_redis() as server:
        async with process(server.url) as api, process(server.url) as worker, scene(api.stream) as seen:
            await worker.stream.append(seen.reply.id, Piece(1, 0, "One, "))
            await seen.shows("One, ")
            server.flush()
            await worker.stream.append(seen.reply.id, Piece(1, 5, "two."))
            await seen.shows("One, two.")

            # The beginning is gone: no text at all is better than one with a hole.
            assert await api.stream.text_so_far(seen.reply.id) == ""
            late = Reader()
            following = asyncio.create_task(late.follow(seen.store, api.stream, seen.room, seen.reply))
            await becomes_true(lambda: late.attempts == [1])
            assert late.text == ""
            await seen.ended("One, two.") if not await worker.stream.end(seen.reply.id) else None
            await following
            assert late.text == seen.reader.text == "One, two."


async def test_missing_message_is_fetched_from_the_stream():
    """A message may be lost with no connection lost: a later one that does not join shows it."""
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        await made.stream.append(reply_id, Piece(1, 0, "One, "))
        assert await reader.receive(within=PATIENCE) == Piece(1, 0, "One, ")
        await made.link.commands.xadd(f"parley:reply:{reply_id}", {"start": 5, "text": "two, "}, id="1-10")
        await made.stream.append(reply_id, Piece(1, 10, "three."))
        assert await reader.receive(within=PATIENCE) == Piece(1, 5, "two, ")
        assert await reader.receive(within=PATIENCE) == Piece(1, 10, "three.")


async def test_piece_lost_for_good_holds_nothing_up():
    reply_id = new_id()
    async with process(shared_redis()) as made, made.stream.follow(reply_id) as reader:
        for piece in (Piece(1, 0, "One, "), Piece(1, 10, "three.")):
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
            await worker.stream.append(reply_id, Piece(1, 0, f"Text {number}"))
        assert await asyncio.gather(*reading) == [Piece(1, 0, f"Text {number}") for number in range(50)]


async def test_thousand_readers_use_two_connections():
    replies = [new_id() for _ in range(1_000)]
    with own_redis() as server:
        async with process(server.url) as worker, redis_link(server.url) as link:
            before = await connections(link)
            async with process(server.url) as api:
                readings = [asyncio.create_task(whole_text(api.stream, reply_id)) for reply_id in replies]
                await becomes_true(lambda: all_subscribed(link, len(replies)))
                for start in range(0, 25, 5):
                    for reply_id in replies:
                        await worker.stream.append(reply_id, Piece(1, start, "five "))
                    assert await connections(link) - before <= 2
                for reply_id in replies:
                    await worker.stream.end(reply_id)
                async with asyncio.timeout(PATIENCE * 3):
                    assert set(await asyncio.gather(*readings)) == {"five " * 5}
                assert await connections(link) - before <= 2
                await becomes_true(lambda: all_subscribed(link, 0))


async def test_reader_that_is_cancelled_leaves_its_channel():
    reply_id = new_id()
    with own_redis() as server:
        async with process(server.url) as api, redis_link(server.url) as link:
            reading = asyncio.create_task(whole_text(api.stream, reply_id))
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
                await made.stream.append(reply_id, Piece(1, start, "ab"))
                heard = [await reader.receive(within=PATIENCE) for _ in range(start // 2 + 1)]
                assert heard[-1] == Piece(1, start, "ab")


async def test_redis_that_is_down_is_silence():
    with own_redis() as server:
        server.kill()
        async with process(server.url) as made:
            reply_id = new_id()
            async with asyncio.timeout(PATIENCE), made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=0.05) is None
                assert await made.stream.text_so_far(reply_id) == ""
                server.start()
                await made.stream.append(reply_id, Piece(1, 0, "Hello"))
                heard = [await reader.receive(within=PATIENCE) for _ in range(2)]
                # ENDED, since an end may have been missed.
                assert set(heard) == {Piece(1, 0, "Hello"), StreamEnd.ENDED}


async def test_redis_that_answers_late_is_only_late():
    with own_redis() as server:
        async with TcpProxy(server.port).running() as proxy, process(proxy.url) as made:
            proxy.delay = 0.1
            reply_id = new_id()
            await made.stream.append(reply_id, Piece(1, 0, "Hello"))
            async with made.stream.follow(reply_id) as reader:
                assert await reader.receive(within=PATIENCE) == Piece(1, 0, "Hello")
                await made.stream.append(reply_id, Piece(1, 5, "!"))
                assert await reader.receive(within=PATIENCE) == Piece(1, 5, "!")


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


async def whole_text(stream: ReplyStream, reply_id) -> str:
    text = ""
    async with stream.follow(reply_id) as reader:
        while isinstance(received := await reader.receive(within=PATIENCE * 3), Piece):
            assert received.start == len(text)
            text += received.text
    return text


async def connections(link) -> int:
    return len(await link.commands.client_list())


async def all_subscribed(link, count: int) -> bool:
    return len(await link.commands.pubsub_channels("parley:reply:*")) == count
