"""The plan of an account in SQL: billing writes it, and chat's quota reads it in its own statement."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, case, func, select

from parley.adapters.sql.engine.statements import Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import Id, Moment, plans
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import Plan, daily_limit

_basic, _pro = literals(Plan.BASIC.value, Plan.PRO.value)
# What the operator says, else what was paid for.
plan_of_account = func.coalesce(
    select(
        case(
            (plans.c.override.is_not(None), plans.c.override),
            (plans.c.paid_until > bindparam("now", type_=Moment), _pro),
            else_=_basic,
        )
    )
    .where(plans.c.account_id == bindparam("account", type_=Id))
    .scalar_subquery(),
    _basic,
)
is_unlimited = plan_of_account.in_(literals(*(plan.value for plan in Plan if daily_limit(plan, basic=0) is None)))
_OF = Statement(select(plan_of_account))
_OVERRIDE, _SET_PAID_UNTIL = (
    Upsert(
        plans,
        lambda insert, column=column: insert.values(  # type: ignore[misc]  # mypy infers no type for the default
            given("account_id", column)
        ).on_conflict_do_update(index_elements=["account_id"], set_={column: insert.excluded[column]}),
    )
    for column in ("override", "paid_until")
)


class SqlPlans(SqlStore):
    async def of(self, account_id: UUID, *, now: datetime) -> Plan:
        return Plan(await self._transaction.scalar(_OF, account=account_id, now=now))

    async def override(self, account_id: UUID, plan: Plan | None) -> None:
        await self._transaction.execute(_OVERRIDE, account_id=account_id, override=None if plan is None else plan.value)

    async def set_paid_until(self, account_id: UUID, moment: datetime | None) -> None:
        await self._transaction.execute(_SET_PAID_UNTIL, account_id=account_id, paid_until=moment)
