"""What waits for one reader."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ReceiveBuffer(Generic[T]):
    """A queue with one taker. What is taken needs no timer of its own: with thousands a second they cost most."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()
        self._taker: asyncio.Future[None] | None = None
        self._until = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    def put(self, arrival: T) -> None:
        self._waiting.append(arrival)
        self._wake()

    async def take(self, *, within: float) -> T | None:
        """The oldest, or None when `within` seconds brought nothing. Cancelling it loses nothing."""
        if not self._waiting and within > 0:
            await self._wait(within)
        return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Nothing is taken any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    async def _wait(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        self._until = loop.time() + within
        # One that goes off too early sets itself again.
        if self._alarm is None or self._alarm.when() > self._until:
            self.close()
            self._alarm = loop.call_at(self._until, self._look, loop)
        self._taker = loop.create_future()
        try:
            await self._taker
        finally:
            self._taker = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        if self._taker is None:
            return
        if loop.time() < self._until:
            self._alarm = loop.call_at(self._until, self._look, loop)
        else:
            self._wake()

    def _wake(self) -> None:
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)
