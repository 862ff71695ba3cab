"""Reading an account's usage and plan, and the operator's override of the plan."""

from datetime import UTC, date, timedelta
from uuid import UUID

from parley.core.billing import BillingPorts
from parley.core.billing.errors import PlanUnknown
from parley.core.billing.model import HISTORY_DAYS, DayUsage, Usage
from parley.core.billing.plan_changes import reporting_plan_change
from parley.core.plans import Plan
from parley.core.token_limits import Tokens, month_of, token_allowances


async def read_usage(billing: BillingPorts, *, account_id: UUID) -> Usage:
    """Usage of the last HISTORY_DAYS days, today first; days without usage are included as zeros."""
    now = billing.now()
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=age) for age in range(HISTORY_DAYS)]
    month = month_of(today)
    async with billing.uow(read_only=True) as unit:
        plan = billing.plans.named(await unit.plans.of(account_id, now=now))
        used = {usage.day: usage for usage in await unit.usage_days.since(account_id, min(days[-1], month))}
        reserved = await unit.usage_days.reserved(account_id, month)
    history = tuple(used.get(day, DayUsage(day, 0, 0, 0)) for day in days)
    of_day, of_month = token_allowances(
        plan,
        today,
        day=Tokens(history[0].tokens, reserved.get(today, 0)),
        month=Tokens(sum(each.tokens for each in used.values() if each.day >= month), sum(reserved.values())),
    )
    return Usage(plan, plan.messages_per_day, of_day.resets_at, history, of_day, of_month)


async def read_days(billing: BillingPorts, *, account_id: UUID, first: date) -> list[DayUsage]:
    """The days from `first` on that have any usage, latest first."""
    async with billing.uow(read_only=True) as unit:
        days = await unit.usage_days.since(account_id, first)
    return sorted(days, key=lambda usage: usage.day, reverse=True)


async def read_plan(billing: BillingPorts, *, account_id: UUID) -> Plan:
    """The plan that counts now."""
    async with billing.uow(read_only=True) as unit:
        return billing.plans.named(await unit.plans.of(account_id, now=billing.now()))


async def read_override(billing: BillingPorts, *, account_id: UUID) -> str | None:
    """The operator's plan for the account, also one that the operator no longer has; None where payments decide."""
    async with billing.uow(read_only=True) as unit:
        return await unit.plans.override_of(account_id)


async def override_plan(billing: BillingPorts, *, account_id: UUID, plan: str | None) -> None:
    """Set the operator's plan for the account, which wins over payments; None removes it.

    Raises PlanUnknown.
    """
    if plan is not None and billing.plans.get(plan) is None:
        raise PlanUnknown(plan, [each.name for each in billing.plans])
    async with billing.uow() as unit:
        await unit.customers.lock(account_id)
        async with reporting_plan_change(billing, unit, account_id, billing.now()):
            await unit.plans.override(account_id, plan)
        await unit.commit()
