"""How many readers one reply may have in this process."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from parley.core.errors import TooManyRequests

READERS_OF_A_REPLY = 100
RETRY_SECONDS = 5.0


class ReplyReaders:
    """Counts the readers of each reply: every one has its own copy of each event, so their number is limited."""

    def __init__(self, limit: int = READERS_OF_A_REPLY) -> None:
        self._limit = limit
        self._readers: Counter[UUID] = Counter()

    @asynccontextmanager
    async def reading(self, reply_id: UUID) -> AsyncGenerator[None, None]:
        """Raises TooManyRequests."""
        if self._readers[reply_id] >= self._limit:
            raise TooManyRequests(RETRY_SECONDS)
        self._readers[reply_id] += 1
        try:
            yield
        finally:
            self._readers[reply_id] -= 1
            if self._readers[reply_id] == 0:
                del self._readers[reply_id]
