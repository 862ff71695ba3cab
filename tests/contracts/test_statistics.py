"""The statistics of days, over both databases: what happens in the stores of other modules is counted once."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.statistics import SqlStatistics
from parley.core.chat.model import Ending, ReplyError, Status
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.statistics import DayStatistics, TokenSums, read_statistics
from tests.contracts.chat_fixtures import COMPLETED, NOW, TODAY, Store, store_over
from tests.contracts.databases import SQL
from tests.fakes.plans import PLANS

WORKER, OTHER = UUID(int=1), UUID(int=2)
YESTERDAY = TODAY - timedelta(days=1)
USAGE = TokenUsage(input_tokens=10, output_tokens=3)
FAILED = Ending(Status.FAILED, "", NOW, USAGE, error=ReplyError("model_unavailable", "It is away."))


class Counted:
    """A store of all modules, and the statistics of what happens there."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store: Store = store_over(database)
        self.statistics = SqlStatistics(database, PLANS)

    async def collect(self, holder: UUID = WORKER, *, later: timedelta = timedelta()) -> int:
        return await self.statistics.collect(holder, now=NOW + later)

    async def today(self) -> DayStatistics:
        await self.collect()
        [today] = await read_statistics(self.statistics, days=1, now=NOW)
        return today


@pytest.fixture(params=SQL)
async def counted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Counted, None]:
    async with request.param(tmp_path) as database:
        yield Counted(database)


async def test_days_without_anything_are_zeros_today_first(counted):
    days = await read_statistics(counted.statistics, days=3, now=NOW)
    assert days == [DayStatistics(TODAY - timedelta(days=age)) for age in range(3)]


async def test_signups_and_plans_are_counted(counted):
    accounts = [await counted.store.new_account() for _ in range(3)]
    await counted.store.put_on("pro", accounts[0])
    today = await counted.today()

    assert (today.signups, dict(today.plans)) == (3, {"basic": 2, "pro": 1})
    await counted.store.put_on(None, accounts[0])
    assert dict((await counted.today()).plans) == {"basic": 3, "pro": 0}


async def test_replies_are_counted_by_model_and_failure_with_the_tokens_of_all_attempts(counted):
    store = counted.store
    one, other = await store.new_reply(), await store.new_reply()
    claim = await store.claim(one)
    await store.do(lambda unit: unit.replies.postpone(claim, seconds=0, fallback="b/model", spent=Spent.of(USAGE)))
    await store.end(await store.claim(one), replace(COMPLETED, usage=USAGE))
    await store.end(await store.claim(other), FAILED)
    today = await counted.today()

    assert today.messages == 2
    assert dict(today.tokens) == {"a/model": TokenSums(20, 6), "b/model": TokenSums(10, 3)}
    assert dict(today.failures) == {"model_unavailable": 1}


async def test_the_cost_of_a_model_is_known_if_the_price_of_all_its_tokens_is(counted):
    store = counted.store
    for model, spent in (("a/model", (Spent(10, 3, cost=40), Spent(1, 1, cost=2))), ("b/model", (Spent(5, 5),))):
        for each in spent:
            claim = replace(await store.claim(await store.new_reply()), model=model)
            await store.end(claim, replace(COMPLETED, spent=each))
    tokens = (await counted.today()).tokens
    assert {model: sums.cost for model, sums in tokens.items()} == {"a/model": 42, "b/model": None}


async def test_a_reply_without_usage_counts_as_a_message(counted):
    await counted.store.end(await counted.store.claim(await counted.store.new_reply()), replace(COMPLETED, usage=None))

    today = await counted.today()
    assert (today.messages, dict(today.tokens)) == (1, {})


async def test_a_reply_that_no_worker_held_counts_when_it_is_stopped(counted):
    reply = await counted.store.new_reply()
    stopped = Ending(Status.STOPPED, "", NOW)
    assert await counted.store.do(lambda unit: unit.replies.end_unheld(reply.id, stopped))

    assert (await counted.today()).messages == 1


async def test_an_overtaken_attempt_is_not_counted(counted):
    reply = await counted.store.new_reply()
    claim = await counted.store.claim(reply, lease=0)
    await counted.store.end(await counted.store.claim(reply))
    assert not await counted.store.end(claim)

    assert (await counted.today()).messages == 1


async def test_accounts_that_were_active_remain_counted_after_they_are_erased(counted):
    store = counted.store
    accounts = [await store.new_account() for _ in range(2)]
    for account_id in (*accounts, accounts[0]):
        await store.do(lambda unit, account_id=account_id: unit.quota.take(account_id, now=NOW))
    assert (await counted.today()).active_accounts == 2
    async with store.accounts() as unit:
        await unit.accounts.remove(accounts[0])
        await unit.commit()

    today = await counted.today()
    assert (today.active_accounts, today.signups) == (2, 2)


async def test_what_was_active_after_the_last_time_before_midnight_is_counted_the_next_day(counted):
    account_id = await counted.store.new_account()
    await counted.store.do(lambda unit: unit.quota.take(account_id, now=NOW))
    await counted.collect(later=timedelta(days=1))

    tomorrow, today = await read_statistics(counted.statistics, days=2, now=NOW + timedelta(days=1))
    assert (today.active_accounts, tomorrow.active_accounts) == (1, 0)
    assert dict(tomorrow.plans) == {"basic": 1, "pro": 0}


async def test_what_happens_is_added_once_however_often_and_by_whomever_it_is_collected(counted):
    await asyncio.gather(*(counted.collect(holder) for holder in (WORKER, OTHER, WORKER, OTHER)))
    for _ in range(3):
        await counted.store.new_account()
        await asyncio.gather(*(counted.collect(holder) for holder in (WORKER, OTHER)))

    assert (await counted.today()).signups == 3


async def test_another_worker_leaves_it_to_the_one_that_holds_the_lease(counted):
    await counted.collect(WORKER)
    await counted.store.new_account()

    assert await counted.collect(OTHER) == 0
    assert await counted.collect(WORKER) == 1
