"""The contract of the Challenges and Signups repositories, for every store."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from parley.core.accounts.model import Challenge, Identity, IdentityKind, Purpose, Signup
from parley.core.accounts.stores import AccountsUnitOfWork
from tests.contracts.accounts_fixtures import MIRA, NOW, RAVI, SECOND, do, every_store

uow = every_store
MAC = b"m" * 32
TOKEN = b"t" * 32


def new_challenge(**changes) -> Challenge:
    return replace(Challenge(MIRA, Purpose.SIGN_IN, MAC, NOW + SECOND), **changes)


async def put(uow: AccountsUnitOfWork, challenge: Challenge) -> None:
    async with uow() as unit:
        await unit.challenges.put(challenge)
        await unit.commit()


async def try_once(uow: AccountsUnitOfWork, purpose: Purpose = Purpose.SIGN_IN, now: datetime = NOW) -> bytes | None:
    async with uow() as unit:
        code_mac = await unit.challenges.count_try(MIRA, purpose, limit=5, now=now)
        await unit.commit()
    return code_mac


async def spend(uow: AccountsUnitOfWork, code_mac: bytes = MAC) -> bool:
    async with uow() as unit:
        spent = await unit.challenges.spend(MIRA, Purpose.SIGN_IN, code_mac, at=NOW)
        await unit.commit()
    return spent


async def test_tries_return_the_mac_up_to_the_limit(uow):
    await put(uow, new_challenge())

    assert [await try_once(uow) for _ in range(7)] == [MAC] * 5 + [None] * 2


async def test_try_of_a_missing_spent_or_expired_challenge_returns_none(uow):
    assert await try_once(uow) is None
    await put(uow, new_challenge())
    assert await try_once(uow, Purpose.RESET) is None
    assert await try_once(uow, now=NOW + SECOND) is None
    assert await try_once(uow, now=NOW + SECOND / 2) == MAC
    assert await spend(uow)
    assert await try_once(uow) is None


async def test_new_challenge_voids_the_one_before_it(uow):
    await put(uow, new_challenge(tries=5))
    await put(uow, new_challenge(code_mac=b"n" * 32))

    assert await try_once(uow) == b"n" * 32
    assert not await spend(uow, MAC)
    assert await spend(uow, b"n" * 32)


async def test_new_challenge_replaces_a_spent_one(uow):
    await put(uow, new_challenge())
    assert await spend(uow)
    await put(uow, new_challenge())

    assert await spend(uow)
    assert not await spend(uow)


async def test_challenges_of_other_purposes_and_identities_stay(uow):
    await put(uow, new_challenge())
    await put(uow, new_challenge(purpose=Purpose.RESET, code_mac=b"r" * 32))
    await put(uow, new_challenge(identity=RAVI, code_mac=b"o" * 32))
    await put(uow, new_challenge(identity=Identity(IdentityKind.MOBILE_NUMBER, MIRA.value), code_mac=b"k" * 32))

    assert await spend(uow)
    assert await try_once(uow, Purpose.RESET) == b"r" * 32


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
    await put(uow, new_challenge(purpose=Purpose.RESET))
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
    assert await try_once(uow, Purpose.RESET) == MAC


async def test_challenges_of_an_identity_are_forgotten(uow):
    await put(uow, new_challenge())
    await put(uow, new_challenge(purpose=Purpose.RESET))
    await put(uow, new_challenge(identity=RAVI))

    await do(uow, lambda unit: unit.challenges.forget(MIRA))

    assert await try_once(uow) is None
    assert await try_once(uow, Purpose.RESET) is None
    others = await do(uow, lambda unit: unit.challenges.count_try(RAVI, Purpose.SIGN_IN, limit=5, now=NOW))
    assert others == MAC


async def test_signups_of_an_identity_are_forgotten(uow):
    signups = [
        Signup(bytes([number]) * 32, identity, None, None, NOW) for number, identity in enumerate((MIRA, MIRA, RAVI))
    ]
    for signup in signups:
        await do(uow, lambda unit, signup=signup: unit.signups.add(signup))

    await do(uow, lambda unit: unit.signups.forget(MIRA))

    async with uow(read_only=True) as unit:
        assert [await unit.signups.get(signup.token_hash) for signup in signups] == [None, None, signups[2]]
