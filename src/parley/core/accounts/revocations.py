"""The list of what access tokens are void before they expire: of ended sessions, and of suspended accounts.

The database knows which sessions have ended and which accounts are suspended. Every API process holds the sessions of
the last day and the suspended accounts in memory and refreshes them several times a second, so a request costs two set
lookups and no query.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from parley.core.accounts.errors import AccountSuspended, TokenInvalid
from parley.core.accounts.model import CLOCK_SKEW, LONGEST_TOKEN_LIFE
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from parley.core.errors import Unavailable

REFRESH_SECONDS = 0.3
# The guarantee: every process refuses an ended session, and a suspended account, within this time.
FRESH_SECONDS = 1.0
# A change is still found when its transaction took this long to commit; no statement may take more than half of it.
OVERLAP_SECONDS = 60.0


class RevocationList:
    """The ended sessions and suspended accounts that this process knows of.

    `monotonic` is a clock in seconds that never goes back. An ended session stays in the list for LONGEST_TOKEN_LIFE
    plus CLOCK_SKEW: longer than its tokens and tickets, whatever setting was in force when they were signed.
    """

    def __init__(self, *, uow: AccountsUnitOfWork, monotonic: Callable[[], float]) -> None:
        self._uow = uow
        self._monotonic = monotonic
        self._known: dict[UUID, datetime] = {}
        self._suspended: set[UUID] = set()
        self._read_at: float | None = None

    def __len__(self) -> int:
        return len(self._known) + len(self._suspended)

    async def write(self, unit: AccountsUnit, session_ids: Iterable[UUID], now: datetime) -> None:
        """Revoke the sessions as part of the unit of work that ends them."""
        await unit.revocations.add(session_ids, until=self._until(now))

    def remember(self, session_ids: Iterable[UUID], now: datetime) -> None:
        """Add the sessions to this process's list, after that unit's commit."""
        self._known |= dict.fromkeys(session_ids, self._until(now))

    def remember_account(self, account_id: UUID, *, suspended: bool) -> None:
        """Note in this process's list that the account was suspended or resumed, after the commit."""
        (self._suspended.add if suspended else self._suspended.discard)(account_id)

    def check_known(self, session_id: UUID, account_id: UUID) -> None:
        """As `check`, without a query: for what is checked again and again, such as an open stream."""
        if session_id in self._known:
            raise TokenInvalid("revoked")
        if account_id in self._suspended:
            raise AccountSuspended

    def knows_suspended(self, account_id: UUID) -> bool:
        """Whether the account is suspended, as far as this process knows: for what needs no token of the account."""
        return account_id in self._suspended

    async def check(self, session_id: UUID, account_id: UUID) -> None:
        """Raises TokenInvalid for a session that ended, and AccountSuspended for an account that was suspended, more
        than FRESH_SECONDS ago or in this process.

        Queries the database only while the list is older than that, and raises Unavailable when that query fails.
        """
        self.check_known(session_id, account_id)
        if self._read_at is None or self._monotonic() - self._read_at > FRESH_SECONDS:
            async with self._uow(read_only=True) as unit:
                if await unit.revocations.has(session_id):
                    raise TokenInvalid("revoked")
                if await unit.suspensions.has(account_id):
                    raise AccountSuspended

    async def refresh(self, now: datetime) -> None:
        """Read what other processes changed, and drop what has expired. The list stays as it is during an outage."""
        started = self._monotonic()
        window = None if self._read_at is None else started - self._read_at + OVERLAP_SECONDS
        try:
            async with self._uow(read_only=True) as unit:
                latest = await unit.revocations.latest(window)
                changed = await unit.suspensions.latest(window)
        except Unavailable:
            return
        self._known |= {each.session_id: each.until for each in latest}
        self._known = {session_id: until for session_id, until in self._known.items() if until > now}
        for account_id, suspended in changed.items():
            self.remember_account(account_id, suspended=suspended)
        self._read_at = started

    def _until(self, now: datetime) -> datetime:
        return now + LONGEST_TOKEN_LIFE + CLOCK_SKEW
