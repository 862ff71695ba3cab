"""Chat's quota and billing's plans, over the same tables."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.tables import plans, usage_days
from parley.core.billing.model import DayUsage, Plan, daily_limit
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Allowance, TokenUsage, next_midnight, utc_day


class SqlQuota:
    """Billing's rule applied in chat's transaction."""

    def __init__(self, connection: AsyncConnection, *, basic_limit: int) -> None:
        self._connection = connection
        self._basic_limit = basic_limit
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def take(self, account_id: UUID, *, now: datetime) -> Allowance:
        day, limit = utc_day(now), await self._limit(account_id, now)
        used = None if limit == 0 else await self._count_one(account_id, day, limit)
        if used is None:
            raise QuotaExceeded(_allowance(limit, limit, day))
        return _allowance(limit, used, day)

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
            update(usage_days)
            .where(usage_days.c.account_id == account_id, usage_days.c.day == day)
            .values(
                input_tokens=usage_days.c.input_tokens + usage.input_tokens,
                output_tokens=usage_days.c.output_tokens + usage.output_tokens,
            )
        )

    async def _limit(self, account_id: UUID, now: datetime) -> int | None:
        return daily_limit(await SqlPlans(self._connection).of(account_id, now=now), basic=self._basic_limit)

    async def _count_one(self, account_id: UUID, day: date, limit: int | None) -> int | None:
        """The day's count with this message in it; None when there was no room for it."""
        counted = await self._connection.execute(
            self._insert(usage_days)
            .values(account_id=account_id, day=day, used=1)
            .on_conflict_do_update(
                index_elements=["account_id", "day"],
                set_={"used": usage_days.c.used + 1},
                where=None if limit is None else usage_days.c.used < limit,
            )
            .returning(usage_days.c.used)
        )
        used: int | None = counted.scalar_one_or_none()
        return used


class SqlPlans:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def of(self, account_id: UUID, *, now: datetime) -> Plan:
        found = await self._connection.execute(
            select(plans.c.override, plans.c.paid_until).where(plans.c.account_id == account_id)
        )
        override, paid_until = found.one_or_none() or (None, None)
        if override is not None:
            return Plan(override)
        return Plan.PRO if paid_until is not None and now < paid_until else Plan.BASIC

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
