"""The queue of one subscription."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ReceiveBuffer(Generic[T]):
    """A queue with one consumer. Waits share one timer: at thousands of items a second, a timer each costs most."""

    def __init__(self) -> None:
        # None while it is empty, as it is most of the time: an empty deque has room for 64 items.
        self._items: deque[T] | None = None
        self._consumer: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # When it goes off. uvloop's handle of a timer that is due at once does not know it.
        self._timer_due = 0.0

    def put(self, item: T) -> None:
        if self._items is None:
            self._items = deque((item,))
        else:
            self._items.append(item)
        self._wake()

    async def take(self, *, within: float) -> T | None:
        """The oldest item, or None after `within` seconds without one. Cancelling it loses nothing."""
        if self._items is None and within > 0:
            await self._wait(within)
        if self._items is None:
            return None
        item = self._items.popleft()
        if not self._items:
            self._items = None
        return item

    def close(self) -> None:
        """Cancel the timer. Nothing may be taken afterwards."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _wait(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + within
        # A timer that goes off too early sets itself again.
        if self._timer is None or self._timer_due > self._deadline:
            self.close()
            self._set_timer(loop)
        self._consumer = loop.create_future()
        try:
            await self._consumer
        finally:
            self._consumer = None

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._consumer is None:
            return
        if loop.time() < self._deadline:
            self._set_timer(loop)
        else:
            self._wake()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer_due = self._deadline
        self._timer = loop.call_at(self._deadline, self._on_timer, loop)

    def _wake(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)
