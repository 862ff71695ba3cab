"""Reading usage and plan of an account, and the operator's override."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from uuid import UUID

import pytest

from parley.core.billing.model import HISTORY_DAYS, DayUsage, Usage
from parley.core.billing.usage import read_usage
from parley.core.chat.tokens import Spent
from parley.core.plans import BASIC, PRO
from tests.fakes.plans import plans_of
from tests.fakes.quota import FakeQuota
from tests.unit.billing.scenario import MIRA, RAVI, Scenario

TODAY = date(2026, 3, 14)


async def spend(billing: Scenario, *days: date, account_id: UUID = MIRA) -> None:
    """Count one message and some tokens on each of the days."""
    async with billing.database.transaction() as transaction:
        quota = FakeQuota(transaction.tables, plans_of(1_000))
        for day in days:
            await quota.take(account_id, now=datetime.combine(day, time(12), UTC))
            await quota.add_tokens(account_id, day=day, spent=Spent(3, 5))
        transaction.commit()


async def usage_of(billing: Scenario, *, basic_limit: int = 5) -> Usage:
    return await read_usage(replace(billing.ports, plans=plans_of(basic_limit)), account_id=MIRA)


@pytest.mark.parametrize(("plan", "basic", "limit"), [(BASIC, 5, 5), (BASIC, 0, 0), (PRO, 5, None), (PRO, 0, None)])
def test_only_the_basic_plan_has_a_limit(plan, basic, limit):
    assert plans_of(basic).named(plan).messages_per_day == limit


async def test_unused_account_has_its_whole_quota_left(billing):
    usage = await usage_of(billing)

    assert (usage.plan.name, usage.limit, usage.remaining) == (BASIC, 5, 5)
    assert usage.resets_at == datetime(2026, 3, 15, tzinfo=UTC)
    assert usage.today == DayUsage(TODAY, 0, 0, 0)
    assert len(usage.history) == HISTORY_DAYS == 30


async def test_usage_is_counted_by_account_and_day(billing):
    await spend(billing, TODAY, TODAY, TODAY - timedelta(days=1))
    await spend(billing, TODAY, account_id=RAVI)

    usage = await usage_of(billing)
    assert usage.today == DayUsage(TODAY, 2, 6, 10)
    assert usage.remaining == 3


async def test_history_has_the_last_30_days_latest_first(billing):
    ages = [0, 1, 7, 29, 30, 400, -1]
    await spend(billing, *(TODAY - timedelta(days=age) for age in ages))

    usage = await usage_of(billing)
    assert [day.day for day in usage.history] == [TODAY - timedelta(days=age) for age in range(30)]
    assert [age for age, day in enumerate(usage.history) if day.used] == [0, 1, 7, 29]
    assert all(day == DayUsage(day.day, 0, 0, 0) for day in usage.history if not day.used)


@pytest.mark.parametrize(
    ("now", "today"),
    [
        (datetime(2026, 3, 14, 23, 59, 59, 999999, tzinfo=UTC), TODAY),
        (datetime(2026, 3, 15, tzinfo=UTC), TODAY + timedelta(days=1)),
        (datetime(2026, 3, 15, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))), TODAY),
        (datetime(2026, 3, 13, 20, tzinfo=timezone(-timedelta(hours=8))), TODAY),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), date(2026, 12, 31)),
    ],
)
async def test_days_are_utc_days(billing, now, today):
    billing.now = now
    usage = await usage_of(billing)

    assert usage.today.day == today
    assert usage.resets_at == datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)


async def test_remaining_is_never_negative(billing):
    await spend(billing, TODAY, TODAY, TODAY)

    assert (await usage_of(billing, basic_limit=2)).remaining == 0
    assert (await usage_of(billing, basic_limit=3)).remaining == 0


async def test_plan_without_limit_still_counts_usage(billing):
    await spend(billing, TODAY)
    await billing.override(PRO)

    usage = await usage_of(billing)
    assert (usage.plan.name, usage.limit, usage.remaining, usage.today.used) == (PRO, None, None, 1)


async def test_operators_plan_counts_until_it_is_removed(billing):
    assert await billing.plan() == BASIC
    for override, plan in ((PRO, PRO), (BASIC, BASIC), (PRO, PRO), (None, BASIC)):
        await billing.override(override)
        assert await billing.plan() is plan
    assert await billing.plan(RAVI) == BASIC
