"""The number of requests of one account in a minute."""

from uuid import UUID

from parley.core.accounts.model import AuditEvent
from parley.core.accounts.ports import AuditTrail
from parley.core.errors import TooManyRequests, Unavailable
from parley.core.ports import RateLimiter

MINUTE_SECONDS = 60.0
# The part of the limit that a process counts locally: an ordinary account stays below, and needs no call to a server.
OWN_PART = 20


class RequestLimit:
    """At most `limit` requests of an account in any minute; 0 is no limit.

    A process counts the first `limit // OWN_PART` of them in `local`, its own rate limiter, and all others in `shared`,
    that of all processes. So one process refuses exactly what is beyond the limit, and each further one adds at most
    that part to it; limits below OWN_PART are exact in any case. While `shared` does not answer, `local` counts what
    it would have counted.
    """

    def __init__(self, *, limit: int, local: RateLimiter, shared: RateLimiter, audit: AuditTrail) -> None:
        self._own = limit // OWN_PART
        self._others = limit - self._own
        self._local = local
        self._shared = shared
        self._audit = audit

    async def take(self, account_id: UUID) -> None:
        """Count one request. Raises TooManyRequests, which counts nothing."""
        if not self._others:
            return
        waits = []
        if self._own:
            waits.append(await self._local.take(f"own:{account_id}", limit=self._own, per=MINUTE_SECONDS))
        if not waits or waits[0] > 0:
            waits.append(await self._take_shared(f"requests:{account_id}"))
        if waits[-1] > 0:
            self._audit.note(AuditEvent.THROTTLED, account_id=account_id, how="account")
            raise TooManyRequests(min(waits))

    async def _take_shared(self, key: str) -> float:
        try:
            return await self._shared.take(key, limit=self._others, per=MINUTE_SECONDS)
        except Unavailable:
            return await self._local.take(key, limit=self._others, per=MINUTE_SECONDS)
