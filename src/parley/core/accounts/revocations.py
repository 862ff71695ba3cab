"""The list of sessions whose access tokens are revoked before they expire.

The database knows which sessions have ended. Every API process holds those of the last day in memory and refreshes
the list several times a second, so a request costs a set lookup and no query.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import CLOCK_SKEW, LONGEST_TOKEN_LIFE
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from parley.core.errors import Unavailable

REFRESH_SECONDS = 0.3
# The guarantee: every process refuses an ended session within this time.
FRESH_SECONDS = 1.0
# A revocation is still found when its transaction took this long to commit; no statement may take more than half of it.
OVERLAP_SECONDS = 60.0


class RevocationList:
    """The ended sessions that this process knows of.

    `monotonic` is a clock in seconds that never goes back. An ended session stays in the list for LONGEST_TOKEN_LIFE
    plus CLOCK_SKEW: longer than its tokens and tickets, whatever setting was in force when they were signed.
    """

    def __init__(self, *, uow: AccountsUnitOfWork, monotonic: Callable[[], float]) -> None:
        self._uow = uow
        self._monotonic = monotonic
        self._known: dict[UUID, datetime] = {}
        self._read_at: float | None = None

    def __len__(self) -> int:
        return len(self._known)

    async def write(self, unit: AccountsUnit, session_ids: Iterable[UUID], now: datetime) -> None:
        """Revoke the sessions as part of the unit of work that ends them."""
        await unit.revocations.add(session_ids, until=self._until(now))

    def remember(self, session_ids: Iterable[UUID], now: datetime) -> None:
        """Add the sessions to this process's list, after that unit's commit."""
        self._known |= dict.fromkeys(session_ids, self._until(now))

    async def check(self, session_id: UUID) -> None:
        """Raises TokenInvalid for a session that ended more than FRESH_SECONDS ago, or in this process.

        Queries the database only while the list is older than that, and raises Unavailable when that query fails.
        """
        if session_id in self._known:
            raise TokenInvalid("revoked")
        if self._read_at is None or self._monotonic() - self._read_at > FRESH_SECONDS:
            async with self._uow(read_only=True) as unit:
                if await unit.revocations.has(session_id):
                    raise TokenInvalid("revoked")

    async def refresh(self, now: datetime) -> None:
        """Read what other processes revoked, and drop what has expired. The list stays as it is during an outage."""
        started = self._monotonic()
        window = None if self._read_at is None else started - self._read_at + OVERLAP_SECONDS
        try:
            async with self._uow(read_only=True) as unit:
                latest = await unit.revocations.latest(window)
        except Unavailable:
            return
        self._known |= {each.session_id: each.until for each in latest}
        self._known = {session_id: until for session_id, until in self._known.items() if until > now}
        self._read_at = started

    def _until(self, now: datetime) -> datetime:
        return now + LONGEST_TOKEN_LIFE + CLOCK_SKEW
