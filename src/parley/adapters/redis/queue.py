"""A queue of ids that any number of workers share."""

import asyncio
from uuid import UUID

import structlog
from taskiq import AsyncBroker
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

log = structlog.get_logger("parley.queue")

PUT_SECONDS = 1.0


class TaskiqQueue:
    """Puts ids, and nothing else, on the broker's queue for the named task. A put gives up after `seconds`."""

    def __init__(self, broker: AsyncBroker, task_name: str, *, seconds: float = PUT_SECONDS) -> None:
        """The caller starts `broker` and shuts it down."""
        self._broker = broker
        self._task_name = task_name
        self._seconds = seconds

    async def put(self, id_: UUID) -> None:
        kicker: AsyncKicker[[str], None] = AsyncKicker(self._task_name, self._broker, labels={})
        try:
            async with asyncio.timeout(self._seconds):
                await kicker.kiq(str(id_))
        except (SendTaskError, TimeoutError) as error:
            why = type(error.__cause__ or error).__name__
            log.warning("not_queued", task=self._task_name, id=str(id_), error=why)
