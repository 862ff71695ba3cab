"""A worker's hold on a reply while it writes: renewing the lease, and waiting out a database that does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from parley.core.chat import ChatPorts
from parley.core.chat.model import Claim, Lease
from parley.core.errors import Unavailable
from parley.core.tasks import finish

Result = TypeVar("Result")

DATABASE_RETRY_SECONDS = 0.2


async def keep_lease(chat: ChatPorts, claim: Claim, stop_signal: asyncio.Event) -> Lease:
    """Renew the lease after each third of its length and at every stop signal, until it is lost or a stop is requested.

    Raises Unavailable when the database has not answered for the length of a lease.
    """

    async def renew() -> Lease:
        return await chat.renewals.renew(claim)

    lease = Lease.HELD
    while lease is Lease.HELD:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(chat.renewals.next_time()):
                await stop_signal.wait()
        stop_signal.clear()
        lease = await finish(repeat_while_unavailable(renew, seconds=chat.limits.lease))
    return lease


async def repeat_while_unavailable(write: Callable[[], Awaitable[Result]], *, seconds: float) -> Result:
    """Call `write` until it does not raise Unavailable, for up to `seconds`; then raises that.

    For writes that carry their attempt: one that is repeated after a lost answer, or comes too late, changes nothing.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        try:
            return await write()
        except Unavailable:
            if clock() >= end:
                raise
            await asyncio.sleep(DATABASE_RETRY_SECONDS)
