"""Rate limits of one account for expensive requests: exports, and pages of the payment provider."""

from uuid import UUID

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.model import AuditEvent
from parley.core.errors import TooManyRequests

HOUR_SECONDS = 3_600.0
EXPORTS_PER_HOUR = 10
PAYMENT_PAGES_PER_HOUR = 20
# Each revoked key is in the revocation list of every process for a day.
API_KEYS_PER_HOUR = 50


async def limit_account(ports: HttpPorts, account_id: UUID, use: str, *, per_hour: int) -> None:
    """Count one use of an account, over all processes. `use` names it in the log. Raises TooManyRequests."""
    wait = await ports.rate_limiter.take(f"{use}:{account_id}", limit=per_hour, per=HOUR_SECONDS)
    if wait > 0:
        ports.accounts.audit.note(AuditEvent.THROTTLED, account_id=account_id, how=use)
        raise TooManyRequests(wait)
