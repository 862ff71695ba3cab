"""Reply streams over Redis: written by any worker, followed in any process."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast
from uuid import UUID

from parley.adapters.redis.client.connection import (
    PATIENCE_SECONDS,
    RedisClient,
    repeat_with_backoff,
    running_in_background,
)
from parley.adapters.redis.pubsub import PubSub
from parley.adapters.redis.reply_stream.encoding import (
    Entries,
    chunk_item,
    end_item,
    joined_text,
    key_of,
    read_entries,
    read_message,
)
from parley.adapters.redis.reply_stream.receive_buffer import ReceiveBuffer
from parley.adapters.redis.reply_stream.send_buffer import SendBuffer
from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd, StreamSubscription

MOST_BACKLOGS_AT_ONCE = 100


class RedisReplyStream:
    """Sends and fetches in the background, while `running`. Share `channels` with whatever else listens."""

    def __init__(self, link: RedisClient, channels: PubSub) -> None:
        self._link = link
        self._channels = channels
        self._outbox = SendBuffer(link)
        self._readers: set[RedisSubscription] = set()
        self._without_backlog: dict[RedisSubscription, None] = {}
        self._asked = asyncio.Event()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many pieces and ends are not in Redis yet."""
        return self._outbox.waiting

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Ends after what was appended has been sent, or could not be for a while."""
        async with running_in_background(
            repeat_with_backoff(self._link, self._outbox.send_batch),
            repeat_with_backoff(self._link, self._fetch_backlogs),
        ):
            try:
                yield
            finally:
                await self._outbox.emptied(within=PATIENCE_SECONDS)

    async def append(self, reply_id: UUID, piece: Chunk) -> None:
        self._outbox.put(chunk_item(reply_id, piece))

    async def end(self, reply_id: UUID) -> None:
        self._outbox.put(end_item(reply_id))

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        # What this process itself appended comes before what is appended from now on.
        await self._outbox.emptied(within=PATIENCE_SECONDS)
        reader = RedisSubscription(reply_id, ask_for_backlog=self._ask_for_backlog)
        self._readers.add(reader)
        self._channels.join(key_of(reply_id), reader)
        try:
            if self._closed:
                reader.close()
            elif not self._channels.connected or not await reader.caught_up(within=PATIENCE_SECONDS):
                # It reads the database next, and an end may come between that and its joining.
                reader.on_disconnect()
            yield reader
        finally:
            # Without an await: a client that goes away cancels, and then nothing can be awaited.
            self._channels.leave(key_of(reply_id), reader)
            self._readers.discard(reader)
            self._without_backlog.pop(reader, None)
            reader.left()

    async def text_so_far(self, reply_id: UUID) -> str:
        await self._outbox.emptied(within=PATIENCE_SECONDS)
        entries = None
        with self._link.best_effort():
            entries = await self._link.commands.xrange(key_of(reply_id))
        return joined_text(read_entries(cast("Entries", entries or [])))

    def close(self) -> None:
        self._closed = True
        for reader in self._readers:
            reader.close()

    def _ask_for_backlog(self, reader: "RedisSubscription") -> None:
        self._without_backlog[reader] = None
        self._asked.set()

    async def _fetch_backlogs(self) -> None:
        """Wait until readers lack their backlog, and bring it to some. Raises RedisError; they lack it still."""
        await self._asked.wait()
        readers = list(self._without_backlog)[:MOST_BACKLOGS_AT_ONCE]
        async with self._link.commands.pipeline(transaction=False) as pipeline:
            for reader in readers:
                del self._without_backlog[reader]
                pipeline.xrange(key_of(reader.reply_id))
            try:
                found = await pipeline.execute()
            except BaseException:
                self._without_backlog.update((reader, None) for reader in readers if reader in self._readers)
                raise
        for reader, entries in zip(readers, found, strict=True):
            # One that asked again meanwhile was cut off meanwhile: only the next answer leaves no gap.
            if reader not in self._without_backlog:
                reader.catch_up(read_entries(entries))
        if not self._without_backlog:
            self._asked.clear()


class RedisSubscription:
    """Joins the backlog and the live pieces of a reply into one sequence, each piece after the one before."""

    def __init__(self, reply_id: UUID, *, ask_for_backlog: Callable[["RedisSubscription"], None]) -> None:
        self.reply_id = reply_id
        self._ask_for_backlog = ask_for_backlog
        self._arrived: ReceiveBuffer[Chunk | StreamEnd] = ReceiveBuffer()
        # What came live while the backlog is on its way; None when that has arrived.
        self._held: list[Chunk | StreamEnd] | None = []
        self._place = (-1, 0)
        self._missed_something = False
        self._caught_up = asyncio.Event()
        self._closed = False

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        if self._closed:
            return StreamEnd.CLOSED
        return await self._arrived.take(within=within)

    async def caught_up(self, *, within: float) -> bool:
        """Whether the backlog arrived in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._caught_up.wait()
        return self._caught_up.is_set()

    def close(self) -> None:
        self._closed = True
        self._arrived.put(StreamEnd.CLOSED)

    def left(self) -> None:
        self._arrived.close()

    def on_subscribed(self) -> None:
        self._hold()

    def on_disconnect(self) -> None:
        self._missed_something = True

    def on_message(self, data: bytes) -> None:
        arrival = read_message(data)
        if self._held is None and isinstance(arrival, Chunk) and not self._follows(arrival):
            # A piece before it was lost on the way here; the stream may have it.
            self._hold()
        if self._held is not None:
            self._held.append(arrival)
        else:
            self._bring(arrival)

    def catch_up(self, backlog: list[Chunk]) -> None:
        held, self._held = self._held or [], None
        for arrival in (*backlog, *held):
            self._bring(arrival)
        if self._missed_something:
            # The end may have been among it. ENDED says no more than: look into the database.
            self._missed_something = False
            self._arrived.put(StreamEnd.ENDED)
        self._caught_up.set()

    def _hold(self) -> None:
        if self._held is None:
            self._held = []
        self._ask_for_backlog(self)

    def _follows(self, piece: Chunk) -> bool:
        """Whether nothing is missing before it; true of one that is to be dropped, too."""
        attempt, end = self._place
        return piece.start <= end if piece.attempt == attempt else piece.attempt < attempt or piece.start == 0

    def _bring(self, arrival: Chunk | StreamEnd) -> None:
        if isinstance(arrival, Chunk):
            if (arrival.attempt, arrival.end) <= self._place:
                return
            self._place = (arrival.attempt, arrival.end)
        self._arrived.put(arrival)
