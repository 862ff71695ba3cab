"""Which accounts are suspended, in SQL."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Moment, accounts
from parley.adapters.sql.engine.unit_of_work import SqlStore

_this_account = accounts.c.id == bindparam("account")
_change = update(accounts).where(_this_account)
_SUSPEND = Statement(
    _change.values(
        suspended_at=func.coalesce(accounts.c.suspended_at, bindparam("at", type_=Moment)),
        suspension_changed_at=database_time(),
    )
)
_RESUME = Statement(_change.values(suspended_at=None, suspension_changed_at=database_time()))
_is_suspended = accounts.c.suspended_at.is_not(None)
_states = select(accounts.c.id, _is_suspended)
_ALL = Statement(_states.where(accounts.c.suspension_changed_at.is_not(None), _is_suspended))
_LATEST = Statement(_states.where(accounts.c.suspension_changed_at > database_time("since")))
_HAS = Statement(select(exists().where(_this_account, _is_suspended)))


class SqlSuspensions(SqlStore):
    async def suspend(self, account_id: UUID, *, at: datetime) -> bool:
        return await self._transaction.execute(_SUSPEND, account=account_id, at=at) == 1

    async def resume(self, account_id: UUID) -> bool:
        return await self._transaction.execute(_RESUME, account=account_id) == 1

    async def latest(self, seconds: float | None) -> Mapping[UUID, bool]:
        rows = (
            await self._transaction.all(_ALL)
            if seconds is None
            else await self._transaction.all(_LATEST, since=-seconds)
        )
        return {row[0]: bool(row[1]) for row in rows}

    async def has(self, account_id: UUID) -> bool:
        return bool(await self._transaction.scalar(_HAS, account=account_id))
