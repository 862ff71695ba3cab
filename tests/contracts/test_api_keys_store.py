"""The contract of the ApiKeys repository, for every store."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.accounts.api_key_store import ApiKey
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.errors import AccountGone
from tests.contracts.accounts_fixtures import MIRA, NOBODY, NOW, RAVI, SECOND, do, every_store, see, stored_account
from tests.contracts.databases import new_id

uow = every_store
MANY = 100


def a_key(account_id: UUID, **changes: object) -> ApiKey:
    key_id = new_id()
    return replace(ApiKey(key_id, account_id, "Nightly", "pk-abc", key_id.bytes * 2, NOW), **changes)


async def stored_key(uow: AccountsUnitOfWork, account_id: UUID | None = None, **changes: object) -> ApiKey:
    key = a_key(account_id or (await stored_account(uow)).id, **changes)
    assert await do(uow, lambda unit: unit.api_keys.add(key, most=MANY))
    return key


async def found(uow: AccountsUnitOfWork, key: ApiKey) -> ApiKey | None:
    return await see(uow, lambda unit: unit.api_keys.find(key.key_hash))


async def listed(
    uow: AccountsUnitOfWork, account_id: UUID, before: UUID | None = None, limit: int = MANY
) -> list[UUID]:
    page = await see(uow, lambda unit: unit.api_keys.page(account_id, before=before, limit=limit))
    return [key.id for key in page]


async def test_key_is_found_by_its_hash_as_it_was_added(uow):
    key = await stored_key(uow, expires_at=NOW + SECOND)

    assert await found(uow, key) == key
    assert await found(uow, replace(key, key_hash=b"another hash".ljust(32))) is None
    assert await see(uow, lambda unit: unit.api_keys.owner(key.id)) == key.account_id
    assert await see(uow, lambda unit: unit.api_keys.owner(NOBODY)) is None


async def test_account_has_at_most_so_many_keys(uow):
    first = await stored_key(uow)
    of_ravi = await stored_key(uow, (await stored_account(uow, RAVI)).id)

    assert not await do(uow, lambda unit: unit.api_keys.add(a_key(first.account_id), most=1))
    assert await do(uow, lambda unit: unit.api_keys.add(a_key(first.account_id), most=2))
    assert len(await listed(uow, first.account_id)) == 2
    assert await listed(uow, of_ravi.account_id) == [of_ravi.id]


async def test_parallel_keys_do_not_exceed_the_number(uow):
    account = await stored_account(uow)

    added = await asyncio.gather(
        *(do(uow, lambda unit: unit.api_keys.add(a_key(account.id), most=3)) for _ in range(8))
    )

    assert sorted(added) == [False] * 5 + [True] * 3
    assert len(await listed(uow, account.id)) == 3


async def test_key_needs_its_account(uow):
    with pytest.raises(AccountGone):
        await do(uow, lambda unit: unit.api_keys.add(a_key(NOBODY), most=MANY))


async def test_pages_are_newest_first(uow):
    keys = [await stored_key(uow) for _ in range(3)]
    account_id, ids = keys[0].account_id, [key.id for key in reversed(keys)]
    await stored_key(uow, (await stored_account(uow, RAVI)).id)

    assert await listed(uow, account_id) == ids
    assert await listed(uow, account_id, limit=2) == ids[:2]
    assert await listed(uow, account_id, before=ids[1]) == ids[2:]


async def test_a_use_is_written_unless_a_later_one_is_there(uow):
    key = await stored_key(uow)

    for at, unless_after, written in (
        (NOW, NOW - SECOND, NOW),
        (NOW + SECOND, NOW - SECOND, NOW),
        (NOW + SECOND, NOW, NOW + SECOND),
    ):
        await do(uow, lambda unit, at=at, after=unless_after: unit.api_keys.note_use(key.id, at=at, unless_after=after))
        assert (await found(uow, key)).last_used_at == written
    await do(uow, lambda unit: unit.api_keys.note_use(NOBODY, at=NOW, unless_after=NOW))


async def test_key_becomes_unmetered_and_metered_again(uow):
    key = await stored_key(uow)

    for unmetered in (True, False):
        changed = await do(uow, lambda unit, to=unmetered: unit.api_keys.set_unmetered(key.id, unmetered=to))
        assert changed == await found(uow, key) == replace(key, unmetered=unmetered)
    assert await do(uow, lambda unit: unit.api_keys.set_unmetered(NOBODY, unmetered=True)) is None


async def test_only_its_account_removes_a_key(uow):
    key = await stored_key(uow)
    ravi = await stored_account(uow, RAVI)

    assert not await do(uow, lambda unit: unit.api_keys.remove(key.id, ravi.id))
    assert await found(uow, key) == key
    assert await do(uow, lambda unit: unit.api_keys.remove(key.id, key.account_id))
    assert await found(uow, key) is None
    assert not await do(uow, lambda unit: unit.api_keys.remove(key.id, key.account_id))


async def test_all_keys_of_an_account_are_removed(uow):
    keys = [await stored_key(uow) for _ in range(2)]
    of_ravi = await stored_key(uow, (await stored_account(uow, RAVI)).id)

    removed = await do(uow, lambda unit: unit.api_keys.remove_all(keys[0].account_id))

    assert set(removed) == {key.id for key in keys}
    assert await listed(uow, keys[0].account_id) == []
    assert await found(uow, of_ravi) == of_ravi


async def test_keys_go_with_their_account(uow):
    key = await stored_key(uow, (await stored_account(uow, MIRA)).id)

    await do(uow, lambda unit: unit.accounts.remove(key.account_id))

    assert await found(uow, key) is None


async def test_only_expired_keys_are_forgotten(uow):
    expired, lasting = await stored_key(uow, expires_at=NOW), await stored_key(uow, expires_at=NOW + SECOND)
    without_end = await stored_key(uow)

    assert await do(uow, lambda unit: unit.api_keys.forget_expired(NOW)) == 1

    assert await listed(uow, expired.account_id) == [without_end.id, lasting.id]
