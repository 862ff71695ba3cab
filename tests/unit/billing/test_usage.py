"""Plans and usage of an account."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from uuid import UUID

import pytest

from parley.core.billing.model import HISTORY_DAYS, DayUsage, Plan, Usage, daily_limit
from parley.core.billing.usage import override_plan, read_plan, read_usage
from parley.core.chat.model import TokenUsage
from tests.fakes.billing import FakeBillingUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.quota import FakeQuota

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
TODAY = date(2026, 3, 14)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


MIRA, RAVI = UUID(int=1), UUID(int=2)


@pytest.fixture
def database():
    return FakeDatabase()


@pytest.fixture
def uow(database):
    return FakeBillingUnitOfWork(database)


async def spend(database: FakeDatabase, *days: date, account_id: UUID = MIRA) -> None:
    """One message and some tokens for each of the days."""
    async with database.transaction() as transaction:
        quota = FakeQuota(transaction.tables, basic_limit=1_000)
        for day in days:
            await quota.take(account_id, now=noon(day))
            await quota.add_tokens(account_id, day=day, usage=TokenUsage(3, 5))
        transaction.commit()


async def usage_at(uow: FakeBillingUnitOfWork, now: datetime = NOW, *, basic_limit: int = 5) -> Usage:
    return await read_usage(uow=uow, account_id=MIRA, basic_limit=basic_limit, now=now)


@pytest.mark.parametrize(
    ("plan", "basic", "limit"), [(Plan.BASIC, 5, 5), (Plan.BASIC, 0, 0), (Plan.PRO, 5, None), (Plan.PRO, 0, None)]
)
def test_only_the_basic_plan_has_a_limit(plan, basic, limit):
    assert daily_limit(plan, basic=basic) == limit


async def test_account_that_did_nothing_has_it_all_left(uow):
    usage = await usage_at(uow)

    assert (usage.plan, usage.limit, usage.remaining) == (Plan.BASIC, 5, 5)
    assert usage.resets_at == datetime(2026, 3, 15, tzinfo=UTC)
    assert usage.today == DayUsage(TODAY, 0, 0, 0)
    assert len(usage.history) == HISTORY_DAYS == 30


async def test_used_and_tokens_are_those_of_the_account_and_day(uow, database):
    await spend(database, TODAY, TODAY, TODAY - timedelta(days=1))
    await spend(database, TODAY, account_id=RAVI)

    usage = await usage_at(uow)
    assert usage.today == DayUsage(TODAY, 2, 6, 10)
    assert usage.remaining == 3


async def test_history_has_every_day_the_latest_first_and_none_beyond(uow, database):
    ages = [0, 1, 7, 29, 30, 400, -1]
    await spend(database, *(TODAY - timedelta(days=age) for age in ages))

    usage = await usage_at(uow)
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
async def test_day_is_that_of_utc(uow, now, today):
    usage = await usage_at(uow, now)

    assert usage.today.day == today
    assert usage.resets_at == datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC)


async def test_nothing_is_left_rather_than_less(uow, database):
    await spend(database, TODAY, TODAY, TODAY)

    assert (await usage_at(uow, basic_limit=2)).remaining == 0
    assert (await usage_at(uow, basic_limit=3)).remaining == 0


async def test_plan_without_limit_counts_and_has_no_end(uow, database):
    await spend(database, TODAY)
    await override_plan(uow=uow, account_id=MIRA, plan=Plan.PRO)

    usage = await usage_at(uow)
    assert (usage.plan, usage.limit, usage.remaining, usage.today.used) == (Plan.PRO, None, None, 1)


async def test_operators_word_counts_until_it_is_taken_back(uow):
    async def plan() -> Plan:
        return await read_plan(uow=uow, account_id=MIRA, now=noon(TODAY))

    assert await plan() is Plan.BASIC
    for word, found in ((Plan.PRO, Plan.PRO), (Plan.BASIC, Plan.BASIC), (Plan.PRO, Plan.PRO), (None, Plan.BASIC)):
        await override_plan(uow=uow, account_id=MIRA, plan=word)
        assert await plan() is found
    assert await read_plan(uow=uow, account_id=RAVI, now=noon(TODAY)) is Plan.BASIC
