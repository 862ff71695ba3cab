"""Chunks and ends that a process has not sent to Redis yet."""

import asyncio
from collections import deque
from itertools import islice

from redis.exceptions import ResponseError

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.faults import Cause, fault_of
from parley.adapters.redis.reply_stream.encoding import SendItem, send_command

# Some minutes of a busy worker's chunks. Beyond it the oldest are dropped: their readers use the database by then.
MAX_WAITING = 20_000
# Redis needs some milliseconds for a batch of this size, and does nothing else meanwhile.
MAX_BATCH = 1_000
# Average pause after a batch, so that batches grow with the load; after a batch of LARGE_BATCH items they may grow
# further. After a quiet period, up to UNPAUSED_BATCHES small batches, or one large one, are sent without a pause. A
# single reply after another, in three small batches each, is not paused: its first text would wait for the pause after
# the end of the reply before it.
PAUSE_SECONDS = 0.0015
LONGER_PAUSE_SECONDS = 0.005
LARGE_BATCH = 4
UNPAUSED_BATCHES = 5


class SendBuffer:
    """Sends items in the order of `put`, many in one command.

    An item must be safe to send twice: when an answer is lost, its whole batch is sent again.
    """

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._items: deque[SendItem] = deque(maxlen=MAX_WAITING)
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        # When the pauses of all batches so far will be over.
        self._paused_until = 0.0

    @property
    def waiting(self) -> int:
        return len(self._items)

    def put(self, item: SendItem) -> None:
        self._items.append(item)
        self._empty.clear()
        self._filled.set()

    async def wait_until_empty(self, *, within: float) -> None:
        """Return when everything is in Redis, or after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            pass

    async def send_batch(self) -> None:
        """Wait for items and send one batch. On RedisError, and if Redis takes no items now, the items stay."""
        await self._filled.wait()
        batch = list(islice(self._items, MAX_BATCH))
        answer = await self._client.execute_alone(*send_command(batch))
        refusals: list[ResponseError] = [answer] if isinstance(answer, ResponseError) else answer
        for refusal in refusals:
            if fault_of(refusal).cause is not Cause.OTHER:
                # Redis is full or read-only, for example, and takes the items later.
                raise refusal
            # Redis would refuse it again: the item is lost.
            self._client.record_failure(refusal)
        self._remove(batch)
        if len(batch) < MAX_BATCH:
            await self._pause(LONGER_PAUSE_SECONDS if len(batch) >= LARGE_BATCH else PAUSE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self._paused_until = max(self._paused_until, now) + seconds
        await asyncio.sleep(max(0.0, self._paused_until - now - UNPAUSED_BATCHES * PAUSE_SECONDS))

    def _remove(self, batch: list[SendItem]) -> None:
        # By identity, since a full buffer may have dropped some of them meanwhile.
        for item in batch:
            if self._items and self._items[0] is item:
                self._items.popleft()
        if not self._items:
            self._filled.clear()
            self._empty.set()
