"""The contract of the Challenges and Signups repositories, for every store."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from parley.core.accounts.model import Challenge, Purpose, Signup
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import MIRA, NOW, RAVI, SECOND, do, every_store, new_id, see

uow = every_store
MAC = b"m" * 32
ID, OTHER = b"i" * 32, b"o" * 32
TOKEN = b"t" * 32


def new_challenge(**changes) -> Challenge:
    return replace(Challenge(new_id(), ID, MIRA, Purpose.SIGN_IN, "block:a", MAC, NOW + SECOND), **changes)


async def put(uow: AccountsUnitOfWork, challenge: Challenge) -> None:
    await do(uow, lambda unit: unit.challenges.add(challenge))


async def try_once(uow: AccountsUnitOfWork, id_hash: bytes = ID, now: datetime = NOW) -> bytes | None:
    return await do(uow, lambda unit: unit.challenges.count_try(id_hash, limit=5, now=now))


async def spend(uow: AccountsUnitOfWork, id_hash: bytes = ID) -> bool:
    return await do(uow, lambda unit: unit.challenges.spend(id_hash, at=NOW))


async def latest(uow: AccountsUnitOfWork, *key) -> Challenge | None:
    return await see(uow, lambda unit: unit.challenges.latest(*key))


async def test_challenge_is_stored_unchanged(uow):
    for challenge in (new_challenge(), new_challenge(id_hash=OTHER, identity=RAVI, purpose=Purpose.RESET, tries=3)):
        await put(uow, challenge)
        assert await see(uow, lambda unit, id_hash=challenge.id_hash: unit.challenges.get(id_hash)) == challenge
    assert await see(uow, lambda unit: unit.challenges.get(b"unknown")) is None


async def test_latest_is_the_newest_of_its_identity_purpose_and_source(uow):
    older, newer = new_challenge(), new_challenge(id_hash=OTHER)
    for challenge in (newer, older):
        await put(uow, challenge)
    for number, changes in enumerate(({"identity": RAVI}, {"purpose": Purpose.RESET}, {"source": "block:b"})):
        await put(uow, new_challenge(id_hash=bytes([number]), **changes))

    assert await latest(uow, MIRA, Purpose.SIGN_IN, "block:a") == newer
    assert (await latest(uow, MIRA, Purpose.SIGN_IN, "block:b")).id_hash == bytes([2])
    assert await latest(uow, RAVI, Purpose.RESET, "block:a") is None


async def test_tries_return_the_mac_up_to_the_limit(uow):
    await put(uow, new_challenge())

    assert [await try_once(uow) for _ in range(7)] == [MAC] * 5 + [None] * 2


async def test_undone_try_can_be_made_again(uow):
    await put(uow, new_challenge())
    for _ in range(5):
        await try_once(uow)
    await do(uow, lambda unit: unit.challenges.undo_try(ID))
    await do(uow, lambda unit: unit.challenges.undo_try(OTHER))

    assert [await try_once(uow), await try_once(uow)] == [MAC, None]


async def test_try_of_a_missing_spent_or_expired_challenge_returns_none(uow):
    assert await try_once(uow) is None
    await put(uow, new_challenge())
    assert await try_once(uow, OTHER) is None
    assert await try_once(uow, now=NOW + SECOND) is None
    assert await try_once(uow, now=NOW + SECOND / 2) == MAC
    assert await spend(uow)
    assert await try_once(uow) is None


async def test_challenges_of_one_identity_are_tried_and_spent_apart(uow):
    await put(uow, new_challenge(tries=5))
    await put(uow, new_challenge(id_hash=OTHER, code_mac=b"n" * 32))

    assert await try_once(uow) is None
    assert await try_once(uow, OTHER) == b"n" * 32
    assert await spend(uow)
    assert not await spend(uow)
    assert await spend(uow, OTHER)


async def test_of_200_parallel_tries_five_get_the_mac(uow):
    await put(uow, new_challenge())

    tried = await asyncio.gather(*(try_once(uow) for _ in range(200)))

    assert tried.count(MAC) == 5


async def test_one_of_several_parallel_spenders_succeeds(uow):
    await put(uow, new_challenge())

    spent = await asyncio.gather(*(spend(uow) for _ in range(50)))

    assert spent.count(True) == 1


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
async def test_signup_is_stored_until_it_is_removed(uow, identity):
    signup = Signup(TOKEN, identity, None, "a hash", NOW)
    async with uow() as unit:
        await unit.signups.add(signup)
        await unit.signups.add(replace(signup, token_hash=b"o" * 32, name="Mira", password_hash=None))
        await unit.commit()
    async with uow() as unit:
        assert await unit.signups.get(TOKEN) == signup
        await unit.signups.remove(TOKEN)
        await unit.signups.remove(b"never added")
        await unit.commit()
    async with uow(read_only=True) as unit:
        assert await unit.signups.get(TOKEN) is None
        assert (await unit.signups.get(b"o" * 32)).name == "Mira"


async def test_only_expired_codes_and_signups_are_forgotten(uow):
    await put(uow, new_challenge(expires_at=NOW))
    await put(uow, new_challenge(id_hash=OTHER))
    async with uow() as unit:
        await unit.signups.add(Signup(TOKEN, MIRA, None, None, NOW))
        await unit.signups.add(Signup(b"o" * 32, MIRA, None, None, NOW + SECOND))
        await unit.commit()

    async with uow() as unit:
        assert await unit.challenges.forget_expired(NOW) == 1
        assert await unit.signups.forget_expired(NOW) == 1
        assert await unit.signups.get(TOKEN) is None
        assert await unit.signups.get(b"o" * 32) is not None
        await unit.commit()
    assert await try_once(uow, OTHER) == MAC


async def test_challenges_of_an_identity_are_forgotten(uow):
    await put(uow, new_challenge())
    await put(uow, new_challenge(id_hash=OTHER, purpose=Purpose.RESET))
    await put(uow, new_challenge(id_hash=b"r" * 32, identity=RAVI))

    await do(uow, lambda unit: unit.challenges.forget(MIRA))

    assert [await try_once(uow, id_hash) for id_hash in (ID, OTHER, b"r" * 32)] == [None, None, MAC]


async def test_signups_of_an_identity_are_forgotten(uow):
    signups = [
        Signup(bytes([number]) * 32, identity, None, None, NOW) for number, identity in enumerate((MIRA, MIRA, RAVI))
    ]
    for signup in signups:
        await do(uow, lambda unit, signup=signup: unit.signups.add(signup))

    await do(uow, lambda unit: unit.signups.forget(MIRA))

    async with uow(read_only=True) as unit:
        assert [await unit.signups.get(signup.token_hash) for signup in signups] == [None, None, signups[2]]
