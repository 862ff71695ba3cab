"""Rate limits on what is done with an identity."""

from dataclasses import dataclass, field

from parley.core.accounts.model import AuditEvent, Identity, keyed_hash
from parley.core.accounts.ports import AuditTrail
from parley.core.errors import TooManyRequests
from parley.core.ports import LimitedUse, RateLimiter

HOUR_SECONDS = 3600.0
# What all address blocks together may do with one identity, as a multiple of what one may. Far above the limit of one,
# because an attacker who uses it up, with this many networks, shuts out owners without a known device.
BLOCKS_PER_IDENTITY = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRateLimits:
    """Counts what is done with an identity. A refusal counts nothing and does not reveal whether there is an account.

    `attempts_per_hour` bounds the password attempts at one identity, and its signups, from one source; 0 is no limit.
    """

    rate_limiter: RateLimiter
    key: bytes = field(repr=False)
    audit: AuditTrail
    attempts_per_hour: int = 60

    def use(self, use: str, *who: str, limit: int, per: float) -> LimitedUse:
        # Hashed, because the rate limiter's keys may be readable by others than the database is.
        return LimitedUse(f"{use}:{keyed_hash(self.key, 'throttle', *who).hex()}", limit, per)

    def attempts(self, use: str, identity: Identity, source: str) -> list[LimitedUse]:
        """One attempt from the source; empty without a limit."""
        if not self.attempts_per_hour:
            return []
        return [self.use(use, str(identity), source, limit=self.attempts_per_hour, per=HOUR_SECONDS)]

    async def take(self, how: str, identity: Identity, *uses: LimitedUse) -> None:
        """Count all uses, or none. Raises TooManyRequests when one is beyond its limit."""
        wait = await self.rate_limiter.take_all(*uses) if uses else 0.0
        if wait > 0:
            raise self.refusal(how, identity, wait)

    async def give_back(self, *uses: LimitedUse) -> None:
        await self.rate_limiter.give_back([use.key for use in uses])

    async def forgive(self, *uses: LimitedUse) -> None:
        """Give back everything that was counted under the first key, and what was counted with it under the others."""
        if uses:
            key, *also = (use.key for use in uses)
            await self.rate_limiter.give_back_all(key, also=also)

    def refusal(self, how: str, identity: Identity, wait: float) -> TooManyRequests:
        """Note the refusal in the audit trail and return the error to raise."""
        self.audit.note(AuditEvent.THROTTLED, identity=identity, how=how)
        return TooManyRequests(wait)
