"""A queue of ids inside one process."""

import asyncio
from uuid import UUID


class MemoryQueue:
    """First in, first out, for the worker of this process. An id that is already waiting is not added again."""

    def __init__(self) -> None:
        self._ids: asyncio.Queue[UUID] = asyncio.Queue()
        self._waiting: set[UUID] = set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def put(self, id_: UUID) -> None:
        if id_ not in self._waiting:
            self._waiting.add(id_)
            self._ids.put_nowait(id_)

    async def take(self) -> UUID:
        """The next id; waits for one."""
        id_ = await self._ids.get()
        self._waiting.discard(id_)
        return id_
