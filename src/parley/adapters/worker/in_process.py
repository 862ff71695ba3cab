"""Work on ids in memory: of the embedded mode in the API process, and of a worker that its queue does not reach."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

import structlog

from parley.core.errors import Unavailable

log = structlog.get_logger("parley.worker")

# Bounds memory only: the work mostly waits for models, not for this machine.
MOST_AT_ONCE = 500


class Ids(Protocol):
    async def take(self) -> UUID:
        """The next id, as soon as there is one."""


class InProcessWorker:
    """Takes ids and does their work, up to `most` concurrently. Its exceptions but Unavailable are logged."""

    def __init__(
        self,
        *,
        ids: Ids,
        work: Callable[[UUID], Awaitable[None]],
        ready: Callable[[], Awaitable[None]] | None = None,
        most: int = MOST_AT_ONCE,
    ) -> None:
        """`ready` is awaited before each id is taken."""
        self._ready = ready
        self._ids = ids
        self._work = work
        self._free = asyncio.Semaphore(most)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Works while the context is open; then running work is cancelled and awaited."""
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(self._take_and_work())
            try:
                yield
            finally:
                working.cancel()

    async def _take_and_work(self) -> None:
        async with asyncio.TaskGroup() as works:
            while True:
                await self._free.acquire()
                if self._ready is not None:
                    await self._ready()
                works.create_task(self._work_on(await self._ids.take()))

    async def _work_on(self, id_: UUID) -> None:
        try:
            await self._work(id_)
        except Unavailable:
            # The adapter that noticed the outage logs it.
            pass
        except Exception:
            # The work itself is in the database, where the sweeper finds it again.
            log.exception("task_crashed", id=str(id_))
        finally:
            self._free.release()
