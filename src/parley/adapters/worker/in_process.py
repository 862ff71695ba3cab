"""The worker that runs inside the API process when there is no Redis."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

import structlog

log = structlog.get_logger("parley.worker")

# Replies wait for models, not for this machine: the bound only keeps memory in hand.
MOST_AT_ONCE = 500


class Ids(Protocol):
    async def take(self) -> UUID:
        """The next reply's id; waits for one."""


class InProcessWorker:
    """Writes the replies whose ids it takes, up to MOST_AT_ONCE side by side."""

    def __init__(self, *, ids: Ids, write: Callable[[UUID], Awaitable[None]]) -> None:
        self._ids = ids
        self._write = write
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Works while the context is open. At its end what is being written is handed back to the database."""
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._take_and_write())
            try:
                yield
            finally:
                working.cancel()

    async def _take_and_write(self) -> None:
        async with asyncio.TaskGroup() as writing:
            while True:
                await self._free.acquire()
                writing.create_task(self._write_one(await self._ids.take()))

    async def _write_one(self, reply_id: UUID) -> None:
        try:
            await self._write(reply_id)
        except Exception:
            # The reply itself is safe: its lease runs out and the sweeper finds it.
            log.exception("reply_attempt_crashed", reply_id=str(reply_id))
        finally:
            self._free.release()
