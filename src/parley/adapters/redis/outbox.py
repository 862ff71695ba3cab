"""What a process sends about its replies, gathered and sent in batches."""

import asyncio
from collections import deque
from itertools import islice

from redis.exceptions import ResponseError

from parley.adapters.redis.connection import RedisLink
from parley.adapters.redis.reply_wire import Command

# Some minutes of a busy worker's pieces. What is dropped is the oldest: by then readers look into the database.
MOST_WAITING = 20_000
MOST_AT_ONCE = 500


class Outbox:
    """Commands are sent in the order in which they were put, none of them waiting for the answer to another.

    Each must be safe to send twice: after a lost answer a whole batch is sent again.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: deque[Command] = deque(maxlen=MOST_WAITING)
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, command: Command) -> None:
        self._waiting.append(command)
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
        async with self._link.commands.pipeline(transaction=False) as pipeline:
            for command in batch:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False)
        self._link.answered()
        for answer in answers:
            if isinstance(answer, ResponseError):
                # Sending it again would be refused again: the piece is lost.
                self._link.failed(answer)
        self._forget(batch)

    def _forget(self, batch: list[Command]) -> None:
        # By identity, since a full outbox may have dropped some of them meanwhile.
        for command in batch:
            if self._waiting and self._waiting[0] is command:
                self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
            self._empty.set()
