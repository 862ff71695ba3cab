"""One reader's view of a reply in Redis."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from parley.adapters.redis.reply_stream.encoding import read_message
from parley.adapters.redis.reply_stream.receive_buffer import ReceiveBuffer
from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd


class RedisSubscription:
    """Joins the stored chunks of a reply (the backlog) and its published ones into one ordered sequence."""

    def __init__(self, reply_id: UUID, *, request_backlog: Callable[["RedisSubscription"], None]) -> None:
        self.reply_id = reply_id
        self._request_backlog = request_backlog
        self._buffer: ReceiveBuffer[Chunk | StreamEnd] = ReceiveBuffer()
        # Published items that wait for the backlog; None once it has arrived.
        self._held: list[Chunk | StreamEnd] | None = []
        self._position = (-1, 0)
        self._may_have_missed = False
        # A future, since an event would hold memory for those that wait for it.
        self._caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        if self._closed:
            return StreamEnd.CLOSED
        return await self._buffer.take(within=within)

    async def wait_for_backlog(self, *, within: float) -> bool:
        """Whether the backlog arrived within so many seconds."""
        await asyncio.wait({self._caught_up}, timeout=within)
        return self._caught_up.done()

    def close(self) -> None:
        """Make every `receive` return CLOSED, since the process shuts down."""
        self._closed = True
        self._buffer.put(StreamEnd.CLOSED)

    def release(self) -> None:
        """Free the timer once the reader has left."""
        self._buffer.close()

    def on_subscribed(self) -> None:
        self._hold()

    def on_disconnect(self) -> None:
        self._may_have_missed = True

    def on_message(self, data: bytes) -> None:
        item = read_message(data)
        if self._held is None and isinstance(item, Chunk) and not self._follows(item):
            # A message before it was lost; the stream may have its chunk.
            self._hold()
        if self._held is not None:
            self._held.append(item)
        else:
            self._deliver(item)

    def catch_up(self, backlog: list[Chunk]) -> None:
        """Deliver the backlog, then the held items."""
        held, self._held = self._held or [], None
        for item in (*backlog, *held):
            self._deliver(item)
        if self._may_have_missed:
            # The end may be what was missed. ENDED only means that the reader should look at the database.
            self._may_have_missed = False
            self._buffer.put(StreamEnd.ENDED)
        if not self._caught_up.done():
            self._caught_up.set_result(None)

    def _hold(self) -> None:
        if self._held is None:
            self._held = []
        self._request_backlog(self)

    def _follows(self, chunk: Chunk) -> bool:
        """Whether no text is missing before the chunk; also true of a chunk that will be dropped."""
        attempt, end = self._position
        return chunk.start <= end if chunk.attempt == attempt else chunk.attempt < attempt or chunk.start == 0

    def _deliver(self, item: Chunk | StreamEnd) -> None:
        if isinstance(item, Chunk):
            if (item.attempt, item.end) <= self._position:
                return
            self._position = (item.attempt, item.end)
        self._buffer.put(item)
