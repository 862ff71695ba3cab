"""One database read for all requests of a process that miss the same cached page at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from uuid import UUID

from parley.core.chat.ports import CachedPage, CacheMiss


class SharedReads:
    """Shares running reads between concurrent requests.

    Only requests with the same cache generation share one, so that a request after a write never gets a page that was
    read before it.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[UUID, int, str], asyncio.Task[CachedPage]] = {}

    async def page(
        self, account_id: UUID, limit: int, missed: CacheMiss, read: Callable[[], Coroutine[None, None, CachedPage]]
    ) -> CachedPage:
        """What `read`, or a running read of the same page, returns or raises."""
        if not missed.generation:
            return await read()
        key = (account_id, limit, missed.generation)
        reading = self._running.get(key)
        if reading is None:
            reading = asyncio.create_task(read())
            self._running[key] = reading
            reading.add_done_callback(lambda _: self._running.pop(key))
        # Shielded, as the other requests still need the result if this one is cancelled.
        return await asyncio.shield(reading)
