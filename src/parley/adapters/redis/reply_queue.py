"""The reply queue that workers of any number share."""

import asyncio
from uuid import UUID

import structlog
from taskiq import AsyncBroker
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

log = structlog.get_logger("parley.queue")

# The task that writes a reply; its one argument is the reply's id as a string.
WRITE_REPLY = "write_reply"
PUT_SECONDS = 1.0


class TaskiqReplyQueue:
    """Puts a reply's id, and nothing else of it, on the broker's queue. Gives up after `seconds`."""

    def __init__(self, broker: AsyncBroker, *, seconds: float = PUT_SECONDS) -> None:
        """Start `broker` up and shut it down outside."""
        self._broker = broker
        self._seconds = seconds

    async def put(self, reply_id: UUID) -> None:
        kicker: AsyncKicker[[str], None] = AsyncKicker(WRITE_REPLY, self._broker, labels={})
        try:
            async with asyncio.timeout(self._seconds):
                await kicker.kiq(str(reply_id))
        except (SendTaskError, TimeoutError) as error:
            log.warning("reply_not_queued", reply_id=str(reply_id), error=type(error.__cause__ or error).__name__)
