"""How often somebody may try something, whatever address they come from."""

from dataclasses import dataclass, field

from parley.core.accounts.model import AuditEvent, Identity, keyed_hash
from parley.core.accounts.ports import AuditTrail
from parley.core.errors import TooManyRequests
from parley.core.ports import RateLimiter

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRateLimits:
    """Counts what is done in the name of an identity. A refusal tells nothing of whether it has an account.

    `attempts_per_hour` bounds the guesses at one password from however many addresses (NIST SP 800-63B, 5.2.2: no
    more than 100 in a row); 0 is without limit.
    """

    rate_limiter: RateLimiter
    key: bytes = field(repr=False)
    audit: AuditTrail
    attempts_per_hour: int = 60

    async def take(self, use: str, identity: Identity, *, limit: int, per: float) -> None:
        """Raises TooManyRequests when `limit` turns fall into the last `per` seconds already."""
        # A throttle's keys may be seen by others than the database's: they do not spell out who is here.
        name = keyed_hash(self.key, "throttle", str(identity)).hex()
        wait = await self.rate_limiter.take(f"{use}:{name}", limit=limit, per=per)
        if wait > 0:
            self.audit.note(AuditEvent.THROTTLED, identity=identity, how=use)
            raise TooManyRequests(wait)

    async def attempt(self, use: str, identity: Identity) -> None:
        """Raises TooManyRequests after `attempts_per_hour` within an hour."""
        if self.attempts_per_hour:
            await self.take(use, identity, limit=self.attempts_per_hour, per=HOUR_SECONDS)
