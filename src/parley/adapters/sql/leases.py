"""Leases on what one worker at a time may do, in SQL."""

from uuid import UUID

from sqlalchemy import bindparam, delete, or_

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import leases
from parley.adapters.sql.engine.unit_of_work import SqlStore

_TAKE = Upsert(
    leases,
    lambda insert: insert.values(until=database_time("seconds"), **given("name", "holder")).on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": insert.excluded.holder, "until": insert.excluded.until},
        where=or_(leases.c.holder == insert.excluded.holder, leases.c.until <= database_time()),
    ),
)
_GIVE_BACK = Statement(delete(leases).where(leases.c.name == bindparam("name"), leases.c.holder == bindparam("holder")))


class SqlLeases(SqlStore):
    async def take(self, name: str, holder: UUID, *, seconds: float) -> bool:
        return await self._transaction.execute(_TAKE, name=name, holder=holder, seconds=seconds) == 1

    async def give_back(self, name: str, holder: UUID) -> None:
        await self._transaction.execute(_GIVE_BACK, name=name, holder=holder)
