"""The plans last reported to the operator's servers, in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update

from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import reported_plans
from parley.adapters.sql.engine.unit_of_work import SqlStore

# Writes a row that is there as it is, which locks it.
_LOCK = Upsert(
    reported_plans,
    lambda insert: (
        insert.values(given("account_id"))
        .on_conflict_do_update(index_elements=["account_id"], set_={"plan": reported_plans.c.plan})
        .returning(reported_plans.c.plan)
    ),
)
_PUT = Statement(
    update(reported_plans)
    .where(reported_plans.c.account_id == bindparam("account"))
    .values(given("plan", "changes_at"))
)
_DUE = Statement(
    select(reported_plans.c.account_id)
    .where(reported_plans.c.changes_at <= bindparam("now"))
    .order_by(reported_plans.c.changes_at)
    .limit(bindparam("most"))
)


class SqlReportedPlans(SqlStore):
    async def lock(self, account_id: UUID) -> str | None:
        plan: str | None = await self._transaction.scalar(_LOCK, account_id=account_id)
        return plan

    async def put(self, account_id: UUID, plan: str, *, changes_at: datetime | None) -> None:
        await self._transaction.execute(_PUT, account=account_id, plan=plan, changes_at=changes_at)

    async def due(self, *, now: datetime, limit: int) -> list[UUID]:
        return await self._transaction.scalars(_DUE, now=now, most=limit)
