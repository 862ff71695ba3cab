"""The replies that this process is writing."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID


class ReplyTasks:
    """Writes replies, and hands all of them back to the database when the process is told to leave."""

    def __init__(self, write: Callable[[UUID], Awaitable[None]]) -> None:
        self._write = write
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False

    async def write(self, reply_id: UUID) -> None:
        """Returns when the reply was written or handed back. After `leave` it does nothing: others will write it."""
        if self._leaving:
            return
        task = asyncio.ensure_future(self._write(reply_id))
        self._tasks.add(task)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self._tasks.discard(task)
        if not task.cancelled():
            task.result()

    def leave(self) -> None:
        self._leaving = True
        for task in self._tasks:
            task.cancel()
