"""The contract of the unit of work and its Accounts repository, for every store."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.accounts.model import Account, Challenge, Identity, OpenedBy, Purpose, Session
from tests.contracts.accounts_fixtures import (
    MIRA,
    NOBODY,
    NOW,
    RAVI,
    SECOND,
    do,
    every_store,
    new_account,
    see,
    stored_account,
    stored_session,
    stored_token,
)

uow = every_store


async def test_uncommitted_changes_are_rolled_back(uow):
    account = new_account()
    async with uow() as unit:
        await unit.accounts.find_or_add(account)
        await unit.challenges.add(
            Challenge(account.id, b"i" * 32, MIRA, Purpose.SIGN_IN, "block:a", b"m" * 32, NOW + SECOND)
        )
        await unit.sessions.add(Session(account.id, account.id, OpenedBy.CODE, NOW, NOW, NOW))
        assert await unit.accounts.get(account.id) == account

    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) is None
        assert await unit.sessions.get(account.id) is None
        assert await unit.challenges.get(b"i" * 32) is None


async def test_changes_before_an_error_are_rolled_back(uow):
    account = await stored_account(uow)

    async def fail_half_way() -> None:
        async with uow() as unit:
            await unit.accounts.rename(account.id, "Mallory")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) == account


async def test_reader_neither_waits_for_a_writer_nor_sees_uncommitted_changes(uow):
    account = await stored_account(uow)
    async with asyncio.timeout(30), uow() as writing:
        await writing.accounts.rename(account.id, "Mallory")
        async with uow(read_only=True) as reading:
            assert await reading.accounts.get(account.id) == account


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
@pytest.mark.parametrize("prevent_erasure", [True, False])
async def test_account_is_found_by_its_identity_and_its_id(uow, identity, prevent_erasure):
    account = await stored_account(uow, identity)

    async with uow() as unit:
        assert await unit.accounts.find(identity, prevent_erasure=prevent_erasure) == account
        assert await unit.accounts.get(account.id) == account
        assert await unit.accounts.find(Identity(identity.kind, "another"), prevent_erasure=prevent_erasure) is None
        assert await unit.accounts.get(UUID(int=0)) is None


async def test_existing_account_is_found_and_not_added(uow):
    first = new_account(name=None, password_hash=None)
    async with uow() as unit:
        assert await unit.accounts.find_or_add(first) == (first, True)
        await unit.commit()

    async with uow() as unit:
        assert await unit.accounts.find_or_add(new_account()) == (first, False)


async def test_of_parallel_sign_ins_one_adds_the_account_and_all_get_it(uow):
    async def find_or_add() -> tuple[Account, bool]:
        async with uow() as unit:
            found = await unit.accounts.find_or_add(new_account())
            await unit.commit()
        return found

    found = await asyncio.gather(*(find_or_add() for _ in range(20)))

    assert len({account.id for account, _ in found}) == 1
    assert [added for _, added in found].count(True) == 1


@pytest.mark.parametrize("name", ["Mira Rao", None])
async def test_name_is_written(uow, name):
    account = await stored_account(uow)
    other = await stored_account(uow, RAVI)
    async with uow() as unit:
        assert await unit.accounts.rename(account.id, name) == replace(account, name=name)
        await unit.commit()

    async with uow() as unit:
        assert await unit.accounts.get(account.id) == replace(account, name=name)
        assert await unit.accounts.get(other.id) == other
        assert await unit.accounts.rename(UUID(int=0), name) is None


async def test_password_is_replaced_only_where_it_is_still_the_old_one(uow):
    account = await stored_account(uow)
    async with uow() as unit:
        assert not await unit.accounts.replace_password(account.id, old="another hash", new="a new hash")
        assert not await unit.accounts.replace_password(UUID(int=0), old="a hash", new="a new hash")
        assert await unit.accounts.replace_password(account.id, old="a hash", new="a hash")
        assert await unit.accounts.replace_password(account.id, old="a hash", new="a new hash")
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) == replace(account, password_hash="a new hash")


async def test_missing_password_is_replaced_only_where_there_is_still_none(uow):
    account = (await do(uow, lambda unit: unit.accounts.find_or_add(new_account(password_hash=None))))[0]
    async with uow() as unit:
        assert not await unit.accounts.replace_password(account.id, old="a hash", new="a new hash")
        assert await unit.accounts.replace_password(account.id, old=None, new="a new hash")
        assert not await unit.accounts.replace_password(account.id, old=None, new="a newer hash")
        await unit.commit()

    assert await see(uow, lambda unit: unit.accounts.get(account.id)) == replace(account, password_hash="a new hash")


@pytest.mark.parametrize("old", ["a hash", None])
async def test_password_is_set_unconditionally(uow, old):
    account = (await do(uow, lambda unit: unit.accounts.find_or_add(new_account(password_hash=old))))[0]
    other = await stored_account(uow, RAVI)

    assert await do(uow, lambda unit: unit.accounts.set_password(account.id, "a new hash"))
    assert not await do(uow, lambda unit: unit.accounts.set_password(NOBODY, "a new hash"))

    assert await see(uow, lambda unit: unit.accounts.get(account.id)) == replace(account, password_hash="a new hash")
    assert await see(uow, lambda unit: unit.accounts.get(other.id)) == other


async def test_lock_returns_the_account(uow):
    account = await stored_account(uow)
    await stored_account(uow, RAVI)

    assert await do(uow, lambda unit: unit.accounts.lock(account.id)) == account
    assert await do(uow, lambda unit: unit.accounts.lock(NOBODY)) is None


@pytest.mark.parametrize(
    "operation", ["found", "its password replaced", "its password set", "found or added", "locked"]
)
async def test_lock_makes_others_wait_until_the_unit_of_work_ends(uow, operation):
    account = await stored_account(uow)
    happened = []

    async def operate() -> None:
        async with uow() as unit:
            steps = {
                "found": lambda: unit.accounts.find(MIRA, prevent_erasure=True),
                "its password replaced": lambda: unit.accounts.replace_password(account.id, old="a hash", new="b"),
                "its password set": lambda: unit.accounts.set_password(account.id, "b"),
                "found or added": lambda: unit.accounts.find_or_add(new_account()),
                "locked": lambda: unit.accounts.lock(account.id),
            }
            await steps[operation]()
            happened.append("in")
            await unit.commit()

    async with asyncio.timeout(30):
        async with uow() as unit:
            await unit.accounts.lock(account.id)
            operating = asyncio.create_task(operate())
            # Enough statements for the other connection to get its answer if it did not wait.
            for _ in range(20):
                await see(uow, lambda unit: unit.accounts.get(account.id))
            happened.append("unlocked")
            await unit.commit()
        await operating

    assert happened == ["unlocked", "in"]


async def test_account_is_removed_once_with_its_sessions_and_their_tokens(uow):
    session = await stored_session(uow)
    other = await stored_session(uow, RAVI)
    tokens = [await stored_token(uow, each) for each in (session, other)]

    assert await do(uow, lambda unit: unit.accounts.remove(session.account_id))
    assert not await do(uow, lambda unit: unit.accounts.remove(session.account_id))

    async with uow(read_only=True) as unit:
        assert await unit.accounts.find(MIRA) is None
        assert await unit.sessions.get(session.id) is None
        assert await unit.sessions.token(tokens[0].token_hash) is None
        assert await unit.accounts.get(other.account_id) is not None
        assert await unit.sessions.get(other.id) == other
        assert await unit.sessions.token(tokens[1].token_hash) == tokens[1]


async def test_identity_of_a_removed_account_is_free_again(uow):
    before = await stored_account(uow)
    await do(uow, lambda unit: unit.accounts.remove(before.id))

    assert (await stored_account(uow)).id != before.id
