"""A queue of ids that any number of workers share."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from redis.exceptions import RedisError
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from parley.adapters.redis.broker import AtMostOnceBroker
from parley.adapters.redis.client.faults import Cause, Fault, fault_of

PUT_SECONDS = 1.0


class TaskiqQueue:
    """Puts ids, and nothing else, on the broker's queue for the named task. A put gives up after `seconds`.

    During an outage of Redis ids go to `instead`, the work of this process, if it has any; else they are lost.
    """

    def __init__(
        self,
        broker: AtMostOnceBroker,
        task_name: str,
        *,
        instead: Callable[[UUID], Awaitable[None]] | None = None,
        seconds: float = PUT_SECONDS,
    ) -> None:
        """The caller starts `broker` and shuts it down."""
        self._broker = broker
        self._task_name = task_name
        self._outage = broker.outage
        self._instead = instead
        self._seconds = seconds

    async def put(self, id_: UUID) -> None:
        if self._instead is not None and self._outage.lasts:
            await self._instead(id_)
        elif (fault := await self._fault_of_put(id_)) is not None:
            self._outage.failed(fault)
            self._outage.hint_lost()
            if self._instead is not None:
                await self._instead(id_)

    async def _fault_of_put(self, id_: UUID) -> Fault | None:
        kicker: AsyncKicker[[str], None] = AsyncKicker(self._task_name, self._broker, labels={})
        try:
            async with asyncio.timeout(self._seconds):
                await kicker.kiq(str(id_))
        except SendTaskError as error:
            why = error.__cause__ or error
            return fault_of(why) if isinstance(why, RedisError) else Fault(Cause.OTHER, type(why).__name__)
        except TimeoutError:
            return Fault(Cause.SILENT, "TimeoutError")
        return None
