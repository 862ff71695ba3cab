"""Sessions that ended while access tokens of theirs may be in use, in SQL."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, select

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import revoked_sessions
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Revocation

_ADD = Upsert(
    revoked_sessions,
    lambda insert: insert.values(revoked_at=database_time(), **given("session_id", "until")).on_conflict_do_nothing(),
)
_all = select(revoked_sessions.c.session_id, revoked_sessions.c.until)
_ALL = Statement(_all)
_LATEST = Statement(_all.where(revoked_sessions.c.revoked_at > database_time("since")))
_HAS = Statement(select(exists().where(revoked_sessions.c.session_id == bindparam("session"))))
_FORGET_EXPIRED = Statement(delete(revoked_sessions).where(revoked_sessions.c.until <= bindparam("now")))


class SqlRevocations(SqlStore):
    async def add(self, session_ids: Iterable[UUID], *, until: datetime) -> None:
        for session_id in session_ids:
            await self._transaction.execute(_ADD, session_id=session_id, until=until)

    async def latest(self, seconds: float | None) -> list[Revocation]:
        rows = (
            await self._transaction.all(_ALL)
            if seconds is None
            else await self._transaction.all(_LATEST, since=-seconds)
        )
        return [Revocation(*row) for row in rows]

    async def has(self, session_id: UUID) -> bool:
        return bool(await self._transaction.scalar(_HAS, session=session_id))

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED, now=now)
