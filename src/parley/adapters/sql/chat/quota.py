"""Chat's quota and billing's plans, over the same tables."""

from datetime import date, datetime
from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, case, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from parley.adapters.sql.engine.tables import Id, Moment, plans, usage_days
from parley.core.billing.model import DayUsage, Plan, daily_limit
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Allowance, TokenUsage, next_midnight, utc_day

_account = bindparam("account", type_=Id)
_today = bindparam("today", type_=usage_days.c.day.type)
# What the operator says, else what was paid for.
_plan = func.coalesce(
    select(
        case(
            (plans.c.override.is_not(None), plans.c.override),
            (plans.c.paid_until > bindparam("now", type_=Moment), Plan.PRO.value),
            else_=Plan.BASIC.value,
        )
    )
    .where(plans.c.account_id == _account)
    .scalar_subquery(),
    Plan.BASIC.value,
)
_PLAN = select(_plan)
_unlimited = _plan.in_([plan.value for plan in Plan if daily_limit(plan, basic=0) is None])
_ADD_TOKENS = (
    update(usage_days)
    .where(usage_days.c.account_id == _account, usage_days.c.day == _today)
    .values(
        input_tokens=usage_days.c.input_tokens + bindparam("read"),
        output_tokens=usage_days.c.output_tokens + bindparam("written"),
    )
)


@cache
def _counting(dialect: str) -> ReturningInsert[int, str]:
    """The day's count with one message more and the plan that allows it; nothing where the plan does not."""
    limit = bindparam("basic", type_=usage_days.c.used.type)
    first = select(_account, _today, literal(1)).where(or_(limit > 0, _unlimited))
    return (
        (postgresql.insert if dialect == "postgresql" else sqlite.insert)(usage_days)
        .from_select(["account_id", "day", "used"], first)
        .on_conflict_do_update(
            index_elements=["account_id", "day"],
            set_={"used": usage_days.c.used + 1},
            where=or_(usage_days.c.used < limit, _unlimited),
        )
        .returning(usage_days.c.used, _plan)
    )


class SqlQuota:
    """Billing's rule applied in chat's transaction."""

    def __init__(self, connection: AsyncConnection, *, basic_limit: int) -> None:
        self._connection = connection
        self._basic_limit = basic_limit

    async def take(self, account_id: UUID, *, now: datetime) -> Allowance:
        day, basic = utc_day(now), self._basic_limit
        counted = await self._connection.execute(
            _counting(self._connection.dialect.name),
            {"account": account_id, "today": day, "now": now, "basic": basic},
        )
        row = counted.one_or_none()
        if row is None:
            raise QuotaExceeded(_allowance(basic, basic, day))
        used, plan = row
        return _allowance(daily_limit(Plan(plan), basic=self._basic_limit), used, day)

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        day = utc_day(now)
        found = await self._connection.execute(
            select(usage_days.c.used).where(usage_days.c.account_id == account_id, usage_days.c.day == day)
        )
        return _allowance(await self._limit(account_id, now), found.scalar_one_or_none() or 0, day)

    async def give_back(self, account_id: UUID, *, day: date) -> None:
        await self._connection.execute(
            update(usage_days)
            .where(usage_days.c.account_id == account_id, usage_days.c.day == day, usage_days.c.used > 0)
            .values(used=usage_days.c.used - 1)
        )

    async def add_tokens(self, account_id: UUID, *, day: date, usage: TokenUsage) -> None:
        await self._connection.execute(
            _ADD_TOKENS,
            {
                "account": account_id,
                "today": day,
                "read": usage.input_tokens or 0,
                "written": usage.output_tokens or 0,
            },
        )

    async def _limit(self, account_id: UUID, now: datetime) -> int | None:
        return daily_limit(await SqlPlans(self._connection).of(account_id, now=now), basic=self._basic_limit)


class SqlPlans:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def of(self, account_id: UUID, *, now: datetime) -> Plan:
        found = await self._connection.execute(_PLAN, {"account": account_id, "now": now})
        return Plan(found.scalar_one())

    async def override(self, account_id: UUID, plan: Plan | None) -> None:
        await self._write(account_id, override=None if plan is None else plan.value)

    async def set_paid_until(self, account_id: UUID, moment: datetime | None) -> None:
        await self._write(account_id, paid_until=moment)

    async def _write(self, account_id: UUID, **values: str | datetime | None) -> None:
        await self._connection.execute(
            self._insert(plans)
            .values(account_id=account_id, **values)
            .on_conflict_do_update(index_elements=["account_id"], set_=values)
        )


class SqlUsageDays:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        found = await self._connection.execute(
            select(usage_days.c.day, usage_days.c.used, usage_days.c.input_tokens, usage_days.c.output_tokens).where(
                usage_days.c.account_id == account_id, usage_days.c.day >= first
            )
        )
        return [DayUsage(*row) for row in found]


def _allowance(limit: int | None, used: int | None, day: date) -> Allowance:
    remaining = None if limit is None else max(0, limit - (used or 0))
    return Allowance(limit, remaining, next_midnight(day))
