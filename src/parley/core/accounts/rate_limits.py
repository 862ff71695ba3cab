"""Rate limits by identity, whatever address the requests come from."""

from dataclasses import dataclass, field

from parley.core.accounts.model import AuditEvent, Identity, keyed_hash
from parley.core.accounts.ports import AuditTrail
from parley.core.errors import TooManyRequests
from parley.core.ports import RateLimiter

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRateLimits:
    """Counts what is done with an identity. A refusal does not reveal whether the identity has an account.

    `attempts_per_hour` bounds the guesses at one password over all addresses (NIST SP 800-63B, 5.2.2: no more than 100
    in a row); 0 is no limit.
    """

    rate_limiter: RateLimiter
    key: bytes = field(repr=False)
    audit: AuditTrail
    attempts_per_hour: int = 60

    async def take(self, use: str, identity: Identity, *, limit: int, per: float) -> None:
        """Count one use. Raises TooManyRequests when the last `per` seconds have `limit` uses already."""
        # Hashed, because the rate limiter's keys may be readable by others than the database is.
        name = keyed_hash(self.key, "throttle", str(identity)).hex()
        wait = await self.rate_limiter.take(f"{use}:{name}", limit=limit, per=per)
        if wait > 0:
            self.audit.note(AuditEvent.THROTTLED, identity=identity, how=use)
            raise TooManyRequests(wait)

    async def attempt(self, use: str, identity: Identity) -> None:
        """Count one attempt. Raises TooManyRequests after `attempts_per_hour` within an hour."""
        if self.attempts_per_hour:
            await self.take(use, identity, limit=self.attempts_per_hour, per=HOUR_SECONDS)
