"""The plan of an account in SQL: billing writes it, and chat's quota reads it in its own statement.

What plans allow is the operator's and no part of the database. Statements receive it as one JSON document, so that
they can look up the limit of the plan that they find.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, String, bindparam, delete, exists, func, select

from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.json_number import JsonNumber
from parley.adapters.sql.engine.statements import Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import Id, Moment, paid_plans, plans
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.plans import PRO, Plan, Plans

_pro, _rank = literals(PRO, "rank")
_account = bindparam("account", type_=Id)
_now = bindparam("now", type_=Moment)
plan_limits = bindparam("plan_limits", type_=String())


def _rank_of(plan: ColumnElement[str]) -> JsonNumber:
    """NULL for a plan that the operator no longer has."""
    return JsonNumber(plan_limits, plan, _rank)


_override = select(plans.c.override).where(plans.c.account_id == _account, _rank_of(plans.c.override).is_not(None))
# A process of the version that knew one paid plan writes only `plans.paid_until`. This version writes it too, as the
# latest of all plans, so where the two tables disagree the other version was the last to write.
_best_paid = (
    select(paid_plans.c.plan)
    .where(
        paid_plans.c.account_id == _account,
        paid_plans.c.paid_until > _now,
        # No join: SQLite's RETURNING has columns without their tables' names.
        exists().where(plans.c.account_id == _account, plans.c.paid_until > _now),
        _rank_of(paid_plans.c.plan).is_not(None),
    )
    .order_by(_rank_of(paid_plans.c.plan).desc())
    .limit(1)
)
_paid_by_older_version = select(_pro).where(
    plans.c.account_id == _account,
    plans.c.paid_until > _now,
    _rank_of(_pro).is_not(None),
    ~exists().where(paid_plans.c.account_id == _account, paid_plans.c.paid_until > _now),
)
plan_of_account = func.coalesce(
    _override.scalar_subquery(),
    _best_paid.scalar_subquery(),
    _paid_by_older_version.scalar_subquery(),
    bindparam("free_plan", type_=String()),
    type_=String(),
)
messages_per_day = JsonNumber(plan_limits, plan_of_account, *literals("messages_per_day"))
_OF = Statement(select(plan_of_account))
_OVERRIDE_OF = Statement(select(plans.c.override).where(plans.c.account_id == _account))
_OVERRIDE, _SET_PAID_UNTIL = (
    Upsert(
        plans,
        lambda insert, column=column: insert.values(  # type: ignore[misc]  # mypy infers no type for the default
            given("account_id", column)
        ).on_conflict_do_update(index_elements=["account_id"], set_={column: insert.excluded[column]}),
    )
    for column in ("override", "paid_until")
)
_PAID = Statement(select(paid_plans.c.plan, paid_plans.c.paid_until).where(paid_plans.c.account_id == _account))
_FORGET_PAID = Statement(delete(paid_plans).where(paid_plans.c.account_id == _account))
_ADD_PAID = Statement(paid_plans.insert().values(given("account_id", "plan", "paid_until")))


# What statements decide by.
_LIMITS = ("messages_per_day", "tokens_per_day", "tokens_per_month", "max_pending_replies")


class PlanLimits:
    """The plans as statements receive them, by the names of their parameters. `plans` are the same for the core."""

    def __init__(self, plans: Plans) -> None:
        self.plans = plans
        self.parameters = {
            "free_plan": plans.free.name,
            "plan_limits": json.dumps({plan.name: _limits_of(plan, rank) for rank, plan in enumerate(plans)}),
        }


def _limits_of(plan: Plan, rank: int) -> Mapping[str, int]:
    limits = {name: getattr(plan, name) for name in _LIMITS}
    return {"rank": rank, **{name: limit for name, limit in limits.items() if limit is not None}}


class SqlPlans(SqlStore):
    def __init__(self, transaction: Transaction, limits: PlanLimits) -> None:
        super().__init__(transaction)
        self._limits = limits

    async def of(self, account_id: UUID, *, now: datetime) -> str:
        plan: str = await self._transaction.scalar(_OF, account=account_id, now=now, **self._limits.parameters)
        return plan

    async def override_of(self, account_id: UUID) -> str | None:
        plan: str | None = await self._transaction.scalar(_OVERRIDE_OF, account=account_id)
        return plan

    async def override(self, account_id: UUID, plan: str | None) -> None:
        await self._transaction.execute(_OVERRIDE, account_id=account_id, override=plan)

    async def paid(self, account_id: UUID) -> Mapping[str, datetime]:
        return {plan: until for plan, until in await self._transaction.all(_PAID, account=account_id)}  # noqa: C416  rows

    async def set_paid(self, account_id: UUID, paid: Mapping[str, datetime]) -> None:
        await self._transaction.execute(_FORGET_PAID, account=account_id)
        for plan, until in paid.items():
            await self._transaction.execute(_ADD_PAID, account_id=account_id, plan=plan, paid_until=until)
        # For processes of the version that knew one paid plan.
        await self._transaction.execute(
            _SET_PAID_UNTIL, account_id=account_id, paid_until=max(paid.values(), default=None)
        )
