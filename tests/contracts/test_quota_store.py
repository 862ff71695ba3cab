"""The contract of the stores of plans, usage and quota."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from parley.core.billing.model import MOST_RETURNED_REFUSALS, DayUsage
from parley.core.chat.allowance import Allowance
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Ending, Status
from parley.core.chat.tokens import Spent
from parley.core.plans import BASIC, PRO
from tests.contracts.chat_fixtures import LIMIT, TODAY, Store, every_store, noon

store = every_store
MIDNIGHT = datetime(2026, 3, 15, tzinfo=UTC)
TOMORROW = TODAY + timedelta(days=1)


def left(remaining: int | None, limit: int | None = LIMIT) -> Allowance:
    return Allowance(limit, remaining, MIDNIGHT)


async def take(store: Store, account_id: UUID, *, day: date = TODAY, limit: int = LIMIT) -> Allowance:
    _, allowance = await store.do(lambda unit: unit.quota.take(account_id, now=noon(day)), limit=limit)
    return allowance


async def look(store: Store, account_id: UUID, *, day: date = TODAY, limit: int = LIMIT) -> Allowance:
    async with store.chat_of(limit)(read_only=True) as unit:
        return await unit.quota.look(account_id, now=noon(day))


async def give_back(store: Store, account_id: UUID, *, day: date = TODAY) -> None:
    await store.do(lambda unit: unit.quota.give_back(account_id, day=day))


async def refusal(store: Store, account_id: UUID, *, limit: int = LIMIT) -> Allowance:
    with pytest.raises(QuotaExceeded) as refused:
        await take(store, account_id, limit=limit)
    return refused.value.allowance


async def test_messages_are_counted_up_to_the_limit(store):
    account_id = await store.new_account()
    assert await look(store, account_id) == left(5)
    assert [await take(store, account_id) for _ in range(5)] == [left(4), left(3), left(2), left(1), left(0)]

    assert await refusal(store, account_id) == left(0)
    assert await refusal(store, account_id) == left(0)
    assert await look(store, account_id) == left(0)
    assert await store.usage(account_id) == [DayUsage(TODAY, 5, 0, 0)]


async def test_refused_unit_of_work_can_still_read(store):
    account_id = await store.new_account()
    for _ in range(LIMIT):
        await take(store, account_id)
    async with store.chat() as unit:
        with pytest.raises(QuotaExceeded):
            await unit.quota.take(account_id, now=noon(TODAY))
        assert await unit.quota.look(account_id, now=noon(TODAY)) == left(0)


async def test_look_counts_nothing(store):
    account_id = await store.new_account()
    for _ in range(3):
        assert await look(store, account_id) == left(5)

    assert await store.usage(account_id) == []


async def test_days_and_accounts_have_quotas_of_their_own(store):
    account_id, other = await store.new_account(), await store.new_account()
    for _ in range(LIMIT):
        await take(store, account_id)

    assert await take(store, other) == left(4)
    tomorrow = Allowance(LIMIT, 4, MIDNIGHT + timedelta(days=1))
    assert await take(store, account_id, day=TOMORROW) == tomorrow
    assert await look(store, account_id) == left(0)
    assert await look(store, account_id, day=TOMORROW) == tomorrow


async def test_of_200_concurrent_messages_five_are_counted(store):
    account_id = await store.new_account()

    async def try_one() -> int | None:
        try:
            return (await take(store, account_id)).remaining
        except QuotaExceeded:
            return None

    async with asyncio.timeout(30):
        remaining = await asyncio.gather(*(try_one() for _ in range(200)))

    assert sorted(number for number in remaining if number is not None) == [0, 1, 2, 3, 4]
    assert await store.usage(account_id) == [DayUsage(TODAY, 5, 0, 0)]


async def test_concurrent_messages_and_returns_are_counted_exactly(store):
    account_id = await store.new_account()

    async def take_and_return() -> None:
        await take(store, account_id, limit=100)
        await give_back(store, account_id)

    async with asyncio.timeout(30):
        await asyncio.gather(take(store, account_id, limit=100), *(take_and_return() for _ in range(40)))

    assert await store.usage(account_id) == [DayUsage(TODAY, 1, 0, 0)]


async def test_limit_of_0_refuses_the_first_message(store):
    account_id = await store.new_account()

    assert await refusal(store, account_id, limit=0) == left(0, 0)
    assert await look(store, account_id, limit=0) == left(0, 0)
    assert await store.usage(account_id) == []


async def test_limit_below_the_usage_leaves_0(store):
    account_id = await store.new_account()
    for _ in range(4):
        await take(store, account_id)

    assert await look(store, account_id, limit=2) == left(0, 2)
    assert await refusal(store, account_id, limit=2) == left(0, 2)
    assert await take(store, account_id) == left(0)


async def test_plan_without_a_limit_counts_and_never_refuses(store):
    account_id = await store.new_account()
    await store.put_on(PRO, account_id)

    assert [await take(store, account_id, limit=0) for _ in range(7)] == [left(None, None)] * 7
    assert await look(store, account_id) == left(None, None)
    assert await store.usage(account_id) == [DayUsage(TODAY, 7, 0, 0)]


async def test_returned_message_can_be_sent_again(store):
    account_id = await store.new_account()
    for _ in range(LIMIT):
        await take(store, account_id)

    await give_back(store, account_id)
    assert await look(store, account_id) == left(1)
    assert await take(store, account_id) == left(0)
    assert await refusal(store, account_id) == left(0)


async def test_message_is_returned_to_its_own_day_and_account(store):
    account_id, other = await store.new_account(), await store.new_account()
    for day in (TODAY, TOMORROW):
        await take(store, account_id, day=day)
        await take(store, other, day=day)

    await give_back(store, account_id)

    assert await store.usage(account_id) == [DayUsage(TODAY, 0, 0, 0), DayUsage(TOMORROW, 1, 0, 0)]
    assert await store.usage(other) == [DayUsage(TODAY, 1, 0, 0), DayUsage(TOMORROW, 1, 0, 0)]


async def test_returned_messages_never_exceed_the_limit(store):
    account_id = await store.new_account()
    await give_back(store, account_id)
    await take(store, account_id)
    await give_back(store, account_id)
    await give_back(store, account_id)

    assert await look(store, account_id) == left(5)
    assert await take(store, account_id) == left(4)


async def test_tokens_are_added_to_their_day_and_not_to_the_quota(store):
    account_id, other = await store.new_account(), await store.new_account()
    for day in (TODAY, TOMORROW):
        await take(store, account_id, day=day)
        await take(store, other, day=day)
    for usage in (Spent(3, 5), Spent(0, 0), Spent(2_000_000_000, 70), Spent(1_000_000_000, 0)):
        await store.do(lambda unit, usage=usage: unit.quota.add_tokens(account_id, day=TODAY, spent=usage))

    assert await store.usage(account_id) == [DayUsage(TODAY, 1, 3_000_000_003, 75), DayUsage(TOMORROW, 1, 0, 0)]
    assert await store.usage(other) == [DayUsage(TODAY, 1, 0, 0), DayUsage(TOMORROW, 1, 0, 0)]
    assert await look(store, account_id) == left(4)


async def test_tokens_of_a_returned_message_still_count(store):
    account_id = await store.new_account()
    await take(store, account_id)
    await give_back(store, account_id)
    await store.do(lambda unit: unit.quota.add_tokens(account_id, day=TODAY, spent=Spent(1, 2)))

    assert await store.usage(account_id) == [DayUsage(TODAY, 0, 1, 2)]


async def test_tokens_of_concurrent_replies_are_all_added(store):
    account_id = await store.new_account()
    await take(store, account_id)

    async def add(usage: Spent) -> None:
        await store.do(lambda unit: unit.quota.add_tokens(account_id, day=TODAY, spent=usage))

    async with asyncio.timeout(30):
        await asyncio.gather(*(add(Spent(number, 1)) for number in range(50)))

    assert await store.usage(account_id) == [DayUsage(TODAY, 1, sum(range(50)), 50)]


async def test_usage_begins_at_the_given_day(store):
    account_id = await store.new_account()
    days = [TODAY - timedelta(days=age) for age in (400, 30, 29, 1, 0)]
    for day in days:
        await take(store, account_id, day=day)

    assert [usage.day for usage in await store.usage(account_id, TODAY - timedelta(days=29))] == days[2:]
    assert [usage.day for usage in await store.usage(account_id)] == days
    assert await store.usage(await store.new_account()) == []


async def test_plan_is_basic_without_an_override(store):
    account_id, other = await store.new_account(), await store.new_account()

    async def plan(of: UUID = account_id) -> str:
        async with store.billing(read_only=True) as unit:
            return await unit.plans.of(of, now=noon(TODAY))

    assert await plan() == BASIC
    for word in (PRO, BASIC, PRO, PRO):
        await store.put_on(word, account_id)
        assert await plan() == word
    assert await plan(other) == BASIC
    for _ in range(2):
        await store.put_on(None, account_id)
        assert await plan() == BASIC


async def test_override_applies_from_the_next_message(store):
    account_id = await store.new_account()
    for _ in range(LIMIT):
        await take(store, account_id)
    await store.put_on(PRO, account_id)
    assert await take(store, account_id) == left(None, None)

    await store.put_on(None, account_id)
    assert await refusal(store, account_id) == left(0)
    assert await look(store, account_id, limit=7) == left(1, 7)


async def end(store: Store, account_id: UUID, status: Status, *, is_refusal: bool, day: date = TODAY) -> None:
    reply = await store.new_reply(await store.new_room(account_id), charged_on=day)
    await store.end(await store.claim(reply), Ending(status, "", noon(day), is_refusal=is_refusal))


async def test_refusals_are_returned_up_to_their_number_a_day(store):
    account_id, other = await store.new_account(), await store.new_account()
    for _ in range(MOST_RETURNED_REFUSALS + 2):
        await end(store, account_id, Status.FAILED, is_refusal=True)
    for _ in range(5):
        await end(store, account_id, Status.FAILED, is_refusal=False)
    await end(store, account_id, Status.FAILED, is_refusal=True, day=TOMORROW)
    await end(store, other, Status.FAILED, is_refusal=True)

    assert await store.usage(account_id) == [DayUsage(TODAY, 2, 0, 0), DayUsage(TOMORROW, 0, 0, 0)]
    assert await store.usage(other) == [DayUsage(TODAY, 0, 0, 0)]


async def test_of_concurrent_refusals_as_many_are_returned_as_one_after_the_other(store):
    account_id = await store.new_account()
    async with asyncio.timeout(30):
        await asyncio.gather(*(end(store, account_id, Status.FAILED, is_refusal=True) for _ in range(10)))

    assert await store.usage(account_id) == [DayUsage(TODAY, 10 - MOST_RETURNED_REFUSALS, 0, 0)]
