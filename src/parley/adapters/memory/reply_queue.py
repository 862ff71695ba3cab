"""The reply queue and the stop signals inside one process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID


class MemoryReplyQueue:
    """Ids wait in order until the worker of this process takes them. An id that waits already is not put again."""

    def __init__(self) -> None:
        self._ids: asyncio.Queue[UUID] = asyncio.Queue()
        self._waiting: set[UUID] = set()

    async def put(self, reply_id: UUID) -> None:
        if reply_id not in self._waiting:
            self._waiting.add(reply_id)
            self._ids.put_nowait(reply_id)

    async def take(self) -> UUID:
        """The next id; waits for one."""
        reply_id = await self._ids.get()
        self._waiting.discard(reply_id)
        return reply_id


class MemoryStopSignals:
    def __init__(self) -> None:
        self._listeners: dict[UUID, set[asyncio.Event]] = {}

    async def send(self, reply_id: UUID) -> None:
        for nudged in self._listeners.get(reply_id, ()):
            nudged.set()

    @asynccontextmanager
    async def listen(self, reply_id: UUID) -> AsyncGenerator[asyncio.Event, None]:
        nudged = asyncio.Event()
        listeners = self._listeners.setdefault(reply_id, set())
        listeners.add(nudged)
        try:
            yield nudged
        finally:
            listeners.discard(nudged)
            if not listeners and self._listeners.get(reply_id) is listeners:
                del self._listeners[reply_id]
