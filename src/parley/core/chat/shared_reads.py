"""One database read for all readers of a process that miss the same cached page at once."""

import asyncio
from collections.abc import Callable, Coroutine
from uuid import UUID

from parley.core.chat.ports import CachedPage, CacheMiss


class SharedReads:
    """Of readers that miss the same page at once in this process, one asks the database and all get its answer.

    A page is the same as long as its generation is: a reader that comes after a write never gets a read from before.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[UUID, int, str], asyncio.Task[CachedPage]] = {}

    async def page(
        self, account_id: UUID, limit: int, missed: CacheMiss, read: Callable[[], Coroutine[None, None, CachedPage]]
    ) -> CachedPage:
        if not missed.generation:
            return await read()
        key = (account_id, limit, missed.generation)
        reading = self._running.get(key)
        if reading is None:
            reading = asyncio.create_task(read())
            self._running[key] = reading
            reading.add_done_callback(lambda _: self._running.pop(key))
        # One reader that leaves takes nobody's answer away.
        return await asyncio.shield(reading)
