"""Stop signals inside one process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID


class MemoryStopSignals:
    def __init__(self) -> None:
        self._listeners: dict[UUID, set[asyncio.Event]] = {}

    @property
    def replies_listened_to(self) -> int:
        return len(self._listeners)

    async def send(self, reply_id: UUID) -> None:
        for signalled in self._listeners.get(reply_id, ()):
            signalled.set()

    @asynccontextmanager
    async def listen(self, reply_id: UUID) -> AsyncGenerator[asyncio.Event, None]:
        signalled = asyncio.Event()
        listeners = self._listeners.setdefault(reply_id, set())
        listeners.add(signalled)
        try:
            yield signalled
        finally:
            listeners.discard(signalled)
            if not listeners and self._listeners.get(reply_id) is listeners:
                del self._listeners[reply_id]
