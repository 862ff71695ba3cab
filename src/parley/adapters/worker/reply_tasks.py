"""The replies, or the titles, that this process is writing."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from parley.core.tasks import cancel_and_wait


class ReplyTasks:
    """Writes replies in tasks of their own, so that a shutdown can cancel all of them, upon which they are released.

    Titles are written in the same way.
    """

    def __init__(self, write: Callable[[UUID], Awaitable[None]]) -> None:
        self._write = write
        self._tasks: set[asyncio.Task[None]] = set()
        self._shutting_down = False

    async def write(self, reply_id: UUID) -> None:
        """Returns when the reply was written or released; after `shut_down`, at once. Raises what `write` raises."""
        if self._shutting_down:
            return
        task = asyncio.ensure_future(self._write(reply_id))
        self._tasks.add(task)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            await cancel_and_wait(task)
            raise
        finally:
            self._tasks.discard(task)
        if not task.cancelled():
            task.result()

    def shut_down(self) -> None:
        """Cancel what is being written, and write nothing from now on."""
        self._shutting_down = True
        for task in self._tasks:
            task.cancel()
