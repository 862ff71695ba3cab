"""Reply streams inside one process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from parley.core.chat.model import Chunk, join_chunks
from parley.core.chat.parts import Part
from parley.core.chat.ports import StreamEnd, StreamSubscription


@dataclass
class _Log:
    """The chunks of the latest attempt, and the subscriptions to the reply. Readers discard earlier attempts."""

    chunks: list[Chunk] = field(default_factory=list)
    subscriptions: set["MemorySubscription"] = field(default_factory=set)


class MemoryReplyStream:
    """Holds a reply's chunks until the reply ends, and nothing of a reply without chunks and subscriptions."""

    def __init__(self) -> None:
        self._logs: dict[UUID, _Log] = {}
        self._closed = False

    @property
    def interrupted(self) -> bool:
        return False

    @property
    def replies_held(self) -> int:
        return len(self._logs)

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        log = self._logs.setdefault(reply_id, _Log())
        if log.chunks and (chunk.attempt, chunk.end) <= (log.chunks[-1].attempt, log.chunks[-1].end):
            return
        if log.chunks and chunk.attempt > log.chunks[-1].attempt:
            log.chunks.clear()
        log.chunks.append(chunk)
        for subscription in log.subscriptions:
            subscription.put(chunk)

    async def end(self, reply_id: UUID) -> None:
        log = self._logs.get(reply_id, _Log())
        log.chunks.clear()
        for subscription in log.subscriptions:
            subscription.put(StreamEnd.ENDED)
        self._remove_if_unused(reply_id, log)

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        log = self._logs.setdefault(reply_id, _Log())
        subscription = MemorySubscription(log.chunks)
        log.subscriptions.add(subscription)
        if self._closed:
            subscription.put(StreamEnd.CLOSED)
        try:
            yield subscription
        finally:
            log.subscriptions.discard(subscription)
            self._remove_if_unused(reply_id, log)

    async def parts_so_far(self, reply_id: UUID) -> tuple[Part, ...]:
        return join_chunks(self._logs.get(reply_id, _Log()).chunks)

    def close(self) -> None:
        self._closed = True
        for log in self._logs.values():
            for subscription in log.subscriptions:
                subscription.put(StreamEnd.CLOSED)

    def _remove_if_unused(self, reply_id: UUID, log: _Log) -> None:
        if not log.subscriptions and not log.chunks and self._logs.get(reply_id) is log:
            del self._logs[reply_id]


class MemorySubscription:
    """What one reader has not received yet, the chunks sent before it subscribed first."""

    def __init__(self, backlog: list[Chunk]) -> None:
        self._queue: asyncio.Queue[Chunk | StreamEnd] = asyncio.Queue()
        for chunk in backlog:
            self.put(chunk)

    def put(self, item: Chunk | StreamEnd) -> None:
        self._queue.put_nowait(item)

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        if within <= 0 or not self._queue.empty():
            return None if self._queue.empty() else self._queue.get_nowait()
        try:
            async with asyncio.timeout(within):
                return await self._queue.get()
        except TimeoutError:
            return None
