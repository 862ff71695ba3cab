"""Reply streams inside one process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from parley.core.chat.model import Chunk
from parley.core.chat.ports import StreamEnd, StreamSubscription


@dataclass
class _Log:
    """The latest attempt's pieces, and who listens. Earlier attempts are text that every reader clears."""

    pieces: list[Chunk] = field(default_factory=list)
    readers: set["MemorySubscription"] = field(default_factory=set)


class MemoryReplyStream:
    """Keeps a reply's pieces until it ends, and only while somebody writes or reads it."""

    def __init__(self) -> None:
        self._logs: dict[UUID, _Log] = {}
        self._closed = False

    async def append(self, reply_id: UUID, piece: Chunk) -> None:
        log = self._logs.setdefault(reply_id, _Log())
        if log.pieces and (piece.attempt, piece.end) <= (log.pieces[-1].attempt, log.pieces[-1].end):
            return
        if log.pieces and piece.attempt > log.pieces[-1].attempt:
            log.pieces.clear()
        log.pieces.append(piece)
        for reader in log.readers:
            reader.bring(piece)

    async def end(self, reply_id: UUID) -> None:
        log = self._logs.get(reply_id, _Log())
        log.pieces.clear()
        for reader in log.readers:
            reader.bring(StreamEnd.ENDED)
        self._forget_if_idle(reply_id, log)

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        log = self._logs.setdefault(reply_id, _Log())
        reader = MemorySubscription(log.pieces)
        log.readers.add(reader)
        if self._closed:
            reader.bring(StreamEnd.CLOSED)
        try:
            yield reader
        finally:
            log.readers.discard(reader)
            self._forget_if_idle(reply_id, log)

    async def text_so_far(self, reply_id: UUID) -> str:
        text = ""
        for piece in self._logs.get(reply_id, _Log()).pieces:
            if piece.start > len(text):
                break
            text += piece.text[len(text) - piece.start :]
        return text

    def close(self) -> None:
        self._closed = True
        for log in self._logs.values():
            for reader in log.readers:
                reader.bring(StreamEnd.CLOSED)

    def _forget_if_idle(self, reply_id: UUID, log: _Log) -> None:
        if not log.readers and not log.pieces and self._logs.get(reply_id) is log:
            del self._logs[reply_id]


class MemorySubscription:
    def __init__(self, backlog: list[Chunk]) -> None:
        self._arrived: asyncio.Queue[Chunk | StreamEnd] = asyncio.Queue()
        for piece in backlog:
            self.bring(piece)

    def bring(self, arrival: Chunk | StreamEnd) -> None:
        self._arrived.put_nowait(arrival)

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        if within <= 0 or not self._arrived.empty():
            return None if self._arrived.empty() else self._arrived.get_nowait()
        try:
            async with asyncio.timeout(within):
                return await self._arrived.get()
        except TimeoutError:
            return None
