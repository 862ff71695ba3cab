"""What an account has used, and the plan that it is on."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from parley.core.billing.model import HISTORY_DAYS, DayUsage, Plan, Usage, daily_limit
from parley.core.billing.stores import BillingUnitOfWork


async def read_usage(*, uow: BillingUnitOfWork, account_id: UUID, basic_limit: int, now: datetime) -> Usage:
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=age) for age in range(HISTORY_DAYS)]
    async with uow(read_only=True) as unit:
        plan = await unit.plans.of(account_id, now=now)
        used = {usage.day: usage for usage in await unit.usage_days.since(account_id, days[-1])}
    return Usage(
        plan=plan,
        limit=daily_limit(plan, basic=basic_limit),
        resets_at=datetime.combine(today + timedelta(days=1), time.min, UTC),
        history=tuple(used.get(day, DayUsage(day, 0, 0, 0)) for day in days),
    )


async def read_days(*, uow: BillingUnitOfWork, account_id: UUID, first: date) -> list[DayUsage]:
    """The days from `first` on that had any usage, the latest first."""
    async with uow(read_only=True) as unit:
        days = await unit.usage_days.since(account_id, first)
    return sorted(days, key=lambda usage: usage.day, reverse=True)


async def read_plan(*, uow: BillingUnitOfWork, account_id: UUID, now: datetime) -> Plan:
    async with uow(read_only=True) as unit:
        return await unit.plans.of(account_id, now=now)


async def override_plan(*, uow: BillingUnitOfWork, account_id: UUID, plan: Plan | None) -> None:
    """The operator's word on an account's plan; None leaves the plan to payments again."""
    async with uow() as unit:
        await unit.plans.override(account_id, plan)
        await unit.commit()
