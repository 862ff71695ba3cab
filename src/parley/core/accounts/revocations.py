"""Which access tokens count no more although they have not expired.

A token is only proof of a session that once was. The database knows which sessions have ended since; every API
process keeps the list of those in memory and brings it up to date several times a second, so that a request costs a
look into a set and no query.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.model import CLOCK_SKEW
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from parley.core.errors import Unavailable

REFRESH_SECONDS = 0.3
# The promise: an ended session is refused everywhere within this time.
FRESH_SECONDS = 1.0
# A transaction that took this long to commit is still found: no statement may take longer than half of it.
OVERLAP_SECONDS = 60.0


class RevocationList:
    """The ended sessions that this process knows of. `monotonic` is a clock in seconds that never goes back.

    `token_life` is that of an access token: for so long, and a bit for wrong clocks, an ended session is remembered.
    """

    def __init__(self, *, uow: AccountsUnitOfWork, token_life: timedelta, monotonic: Callable[[], float]) -> None:
        self._uow = uow
        self._token_life = token_life
        self._monotonic = monotonic
        self._known: dict[UUID, datetime] = {}
        self._read_at: float | None = None

    async def write(self, unit: AccountsUnit, session_ids: Iterable[UUID], now: datetime) -> None:
        """Part of the unit of work that ends the sessions."""
        await unit.revocations.add(session_ids, until=self._until(now))

    def remember(self, session_ids: Iterable[UUID], now: datetime) -> None:
        """After that unit's commit, so that this process knows at once."""
        self._known |= dict.fromkeys(session_ids, self._until(now))

    async def check(self, session_id: UUID) -> None:
        """Raises TokenInvalid for a session that ended more than FRESH_SECONDS ago, or in this process.

        Asks the database only while the list is older than that. Raises Unavailable when it does not answer then.
        """
        if session_id in self._known:
            raise TokenInvalid
        if self._read_at is None or self._monotonic() - self._read_at > FRESH_SECONDS:
            async with self._uow(read_only=True) as unit:
                if await unit.revocations.has(session_id):
                    raise TokenInvalid

    async def refresh(self, now: datetime) -> None:
        """Learn of what other processes ended. A database that does not answer leaves the list to grow old."""
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
        return now + self._token_life + CLOCK_SKEW
