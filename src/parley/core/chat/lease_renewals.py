"""Renewing the leases of all replies that a process writes together, in one statement."""

import asyncio
from collections.abc import Sequence

from parley.core.chat.model import Claim, Lease
from parley.core.chat.stores import ChatUnitOfWork

# A third: a renewal may be lost or late without the loss of a lease.
RENEWALS_PER_LEASE = 3


class LeaseRenewals:
    """Renewals for leases of `lease` seconds, every third of that at the same moments for all replies.

    So a worker that writes 500 replies sends the database one statement, not 500.
    """

    def __init__(self, uow: ChatUnitOfWork, *, lease: float) -> None:
        self._uow = uow
        self._lease = lease
        self._claims: list[Claim] = []
        self._renewing: asyncio.Task[dict[Claim, Lease]] | None = None

    def next_time(self) -> float:
        """When to renew next, by the event loop's clock: in a third of a lease at most."""
        seconds = self._lease / RENEWALS_PER_LEASE
        return (asyncio.get_running_loop().time() // seconds + 1) * seconds

    async def renew(self, claim: Claim) -> Lease:
        """Renew the lease, with all others that are renewed now. Not to be cancelled. Raises Unavailable."""
        if self._renewing is None:
            self._renewing = asyncio.ensure_future(self._renew_together())
        self._claims.append(claim)
        return (await self._renewing)[claim]

    async def _renew_together(self) -> dict[Claim, Lease]:
        # Every task that the same moment woke up has run once when this goes on.
        await asyncio.sleep(0)
        claims, self._claims, self._renewing = self._claims, [], None
        return dict(zip(claims, await self._renew(claims), strict=True))

    async def _renew(self, claims: Sequence[Claim]) -> list[Lease]:
        async with self._uow(single=True) as unit:
            return await unit.replies.renew(claims, lease=self._lease)
