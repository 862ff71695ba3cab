"""A worker's hold on a reply while it writes: renewing the lease, and waiting out a database that does not answer."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from parley.core.chat import ChatPorts
from parley.core.chat.model import Claim, Lease
from parley.core.errors import Unavailable
from parley.core.tasks import finish

Result = TypeVar("Result")

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 2.0


@dataclass(slots=True)
class DatabaseRetries:
    """Repeats what the database does not answer. `interrupted` says whether that was necessary.

    For writes that carry their attempt: one that is repeated after a lost answer, or comes too late, changes nothing.
    """

    interrupted: bool = False

    async def repeat(
        self, step: Callable[[], Coroutine[Any, Any, Result]], *, within_seconds: float = math.inf
    ) -> Result:
        """Call `step` until it does not raise Unavailable, or raise that after `within_seconds`.

        A call is finished even if the caller is cancelled; the pauses in between are not.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + within_seconds
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                return await finish(step())
            except Unavailable:
                self.interrupted = True
                if clock() >= end:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)


async def keep_lease(chat: ChatPorts, claim: Claim, stop_signal: asyncio.Event, retries: DatabaseRetries) -> Lease:
    """Renew the lease after each third of it, and at every stop signal, until it is lost or a stop was requested.

    While the database does not answer nobody else can claim the reply, so writing goes on.
    """

    async def renew() -> Lease:
        return await chat.renewals.renew(claim)

    lease = Lease.HELD
    while lease is Lease.HELD:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(chat.renewals.next_time()):
                await stop_signal.wait()
        stop_signal.clear()
        lease = await retries.repeat(renew)
    return lease
