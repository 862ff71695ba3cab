"""Stop signals inside one process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID


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
