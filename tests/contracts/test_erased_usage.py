"""Erasing an account and signing up again begins no new quota, over every store."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.model import Identity, IdentityKind
from parley.core.accounts.sessions import forget_expired
from parley.core.billing.model import DayUsage
from parley.core.chat.errors import QuotaExceeded, RoomNotFound
from parley.core.chat.messages import post_message
from parley.core.chat.model import Ending, Status
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.errors import AccountGone
from parley.core.plans import Plan, Plans
from tests.contracts.chat_fixtures import LIMIT, NOW, TODAY, Store, every_store
from tests.unit.accounts.environment import AccountsEnvironment, outcomes

store = every_store
MIRA = Identity(IdentityKind.EMAIL, "mira@example.com")
BY_MONTH = Plans([Plan(name="basic", title="Basic", tokens_per_month=1_500)])
TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def env(store: Store) -> AccountsEnvironment:
    env = AccountsEnvironment(store.accounts)
    env.now = NOW
    return env


async def sign_in(env: AccountsEnvironment, identity: Identity = MIRA) -> UUID:
    """The id of the identity's account, from another network each time, so that no code is asked for too often."""
    env.client = replace(env.client, block=f"{env.new_id()}")
    return (await env.sign_in(identity)).account.id


async def post(store: Store, account_id: UUID, times: int = 1) -> None:
    room = await store.new_room(account_id)
    for _ in range(times):
        await post_message(
            store.chat_ports(), account_id=account_id, room_id=room.id, content="A question", model=None, key=None
        )


async def erase(env: AccountsEnvironment, account_id: UUID) -> None:
    await erase_account(env.ports, account_id=account_id)


async def test_the_days_usage_counts_for_the_next_account(store, env):
    first = await sign_in(env)
    await post(store, first, 2)
    await store.do(lambda unit: unit.quota.add_tokens(first, day=TODAY, spent=Spent(30, 40)))
    await erase(env, first)

    second = await sign_in(env)
    assert second != first
    assert await store.usage(second) == [DayUsage(TODAY, 2, 30, 40)]
    await post(store, second, LIMIT - 2)
    with pytest.raises(QuotaExceeded):
        await post(store, second)
    await erase(env, second)
    third = await sign_in(env)
    assert (await store.usage(third))[0].used == LIMIT


async def test_another_address_of_the_mailbox_is_the_same_owner(store, env):
    first = await sign_in(env)
    await post(store, first, 3)
    await erase(env, first)

    assert (await store.usage(await sign_in(env, replace(MIRA, value="mira+again@example.com"))))[0].used == 3
    assert await store.usage(await sign_in(env, replace(MIRA, value="ravi@example.com"))) == []


async def test_midnight_begins_a_new_quota(store, env):
    first = await sign_in(env)
    await post(store, first, LIMIT)
    await erase(env, first)
    # A process whose clock is ahead may have debited tomorrow.
    env.now = NOW - timedelta(days=1)
    later = await sign_in(env)
    assert (await store.usage(later))[0] == DayUsage(TODAY, LIMIT, 0, 0)
    await erase(env, later)

    env.now = NOW + timedelta(days=1)
    assert await store.usage(await sign_in(env)) == []


async def test_usage_of_erased_accounts_is_forgotten_after_its_day(store, env):
    account_id = await sign_in(env)
    await post(store, account_id)
    await erase(env, account_id)

    async def forgotten() -> int:
        async with store.accounts() as unit:
            count = await unit.erased_usage.forget_before(env.now.date())
            await unit.commit()
        return count

    assert await forgotten() == 0
    env.advance(days=1)
    assert await forgotten() == 1
    assert await forgotten() == 0
    await forget_expired(env.ports)


async def test_the_usage_is_found_with_a_secret_that_was_replaced(store, env):
    account_id = await sign_in(env)
    await post(store, account_id, 2)
    await erase(env, account_id)
    env.keys = [b"another key", *env.keys]
    second = await sign_in(env)
    await post(store, second)
    await erase(env, second)

    # Under both keys now: the larger one counts.
    assert (await store.usage(await sign_in(env)))[0].used == 3


async def test_messages_sent_during_erasures_gain_nothing(store, env):
    """At most as many messages a day as without any erasure, whatever meets."""
    accepted = 0

    async def send(account_id: UUID) -> None:
        nonlocal accepted
        await post(store, account_id)
        accepted += 1

    for _ in range(4):
        account_id = await sign_in(env)
        sends = [send(account_id) for _ in range(3)]
        async with asyncio.timeout(30):
            _, refused = await outcomes([*sends, erase(env, account_id)])
        assert {type(each) for each in refused} <= {AccountGone, RoomNotFound, QuotaExceeded}
    last = await sign_in(env)
    with suppress(QuotaExceeded):
        for _ in range(LIMIT + 1):
            await send(last)

    assert accepted <= LIMIT
    assert (await store.usage(last))[0].used == LIMIT


async def test_returned_refusals_of_an_erased_account_count_too(store, env):
    refused = Ending(Status.FAILED, "", NOW, is_refusal=True)
    for _ in range(3):
        account_id = await sign_in(env)
        await store.end(await store.claim(await store.new_reply(await store.new_room(account_id))), refused)
        assert (await store.usage(account_id))[0].used == 0
        await erase(env, account_id)
    account_id = await sign_in(env)
    await store.end(await store.claim(await store.new_reply(await store.new_room(account_id))), refused)

    assert (await store.usage(account_id))[0].used == 1


async def test_tokens_of_the_month_count_for_the_next_account(store, env):
    env.usage_counts_for_month = True
    chat = store.chat_ports(limit=BY_MONTH)
    env.now = NOW - timedelta(days=3)
    first = await sign_in(env)
    room = await store.new_room(first)
    asked = {"account_id": first, "room_id": room.id, "content": "A question", "model": None, "key": None}
    accepted = await post_message(replace(chat, now=lambda: env.now), **asked)
    await store.end(await store.claim(accepted.reply), Ending(Status.COMPLETED, "Yes", NOW, usage=TokenUsage(300, 0)))
    env.now = NOW
    # What is written while the account is erased counts as it was estimated.
    written = await post_message(chat, **asked)
    await store.claim(written.reply)
    await erase(env, first)

    second = await sign_in(env)
    async with store.chat_of(BY_MONTH)(read_only=True) as unit:
        [month] = (await unit.quota.look(second, now=NOW)).tokens
    assert (month.tokens.used, month.tokens.reserved) == (300 + 300 + 3 + 1_000, 0)
    with pytest.raises(QuotaExceeded):
        await post_message(chat, **asked | {"account_id": second, "room_id": (await store.new_room(second)).id})
    await erase(env, second)
    env.now = datetime(2026, 4, 1, tzinfo=UTC)
    assert await store.usage(await sign_in(env)) == []
