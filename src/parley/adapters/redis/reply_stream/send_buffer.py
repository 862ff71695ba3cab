"""What a process sends about its replies, gathered and sent in batches."""

import asyncio
from collections import deque
from itertools import islice
from typing import Any

from redis.exceptions import ResponseError

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.reply_stream.encoding import SendItem, send_command

# Some minutes of a busy worker's pieces. What is dropped is the oldest: by then readers look into the database.
MOST_WAITING = 20_000
# Redis does nothing else while it takes a batch in: for some milliseconds at this size.
MOST_AT_ONCE = 1_000
# Between two batches on average, so that a busy process sends a few large ones: nobody reads so fast. One that was not
# busy sends so many without waiting.
PAUSE_SECONDS = 0.005
BATCHES_UNPAUSED = 5


class SendBuffer:
    """Parcels are sent in the order in which they were put, many in one command.

    Each must be safe to send twice: after a lost answer a whole batch is sent again.
    """

    def __init__(self, link: RedisClient) -> None:
        self._link = link
        self._waiting: deque[SendItem] = deque(maxlen=MOST_WAITING)
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        # When it has paused for all that it sent.
        self._rested_at = 0.0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, parcel: SendItem) -> None:
        self._waiting.append(parcel)
        self._empty.clear()
        self._filled.set()

    async def emptied(self, *, within: float) -> None:
        """Return when everything that was put is in Redis, or after so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            pass

    async def send_batch(self) -> None:
        """Wait for something to send, and send it. Raises RedisError, with nothing taken out."""
        await self._filled.wait()
        batch = list(islice(self._waiting, MOST_AT_ONCE))
        commands: Any = self._link.commands
        try:
            refusals: list[ResponseError] = await commands.execute_command(*send_command(batch))
        except ResponseError as error:
            refusals = [error]
        self._link.answered()
        for refusal in refusals:
            # Sending it again would be refused again: the piece is lost.
            self._link.failed(refusal)
        self._forget(batch)
        if len(batch) < MOST_AT_ONCE:
            await self._pause()

    async def _pause(self) -> None:
        now = asyncio.get_running_loop().time()
        self._rested_at = max(self._rested_at, now) + PAUSE_SECONDS
        await asyncio.sleep(max(0.0, self._rested_at - now - BATCHES_UNPAUSED * PAUSE_SECONDS))

    def _forget(self, batch: list[SendItem]) -> None:
        # By identity, since a full outbox may have dropped some of them meanwhile.
        for parcel in batch:
            if self._waiting and self._waiting[0] is parcel:
                self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
            self._empty.set()
