"""A queue of ids that workers of any number share."""

import asyncio
from uuid import UUID

import structlog
from taskiq import AsyncBroker
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

log = structlog.get_logger("parley.queue")

PUT_SECONDS = 1.0


class TaskiqQueue:
    """Puts an id, and nothing else, on the broker's queue, for the task of that name. Gives up after `seconds`."""

    def __init__(self, broker: AsyncBroker, task_name: str, *, seconds: float = PUT_SECONDS) -> None:
        """Start `broker` up and shut it down outside."""
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
