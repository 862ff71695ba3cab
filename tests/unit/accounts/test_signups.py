"""Signups, with and without a code."""

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid
from parley.core.accounts.model import token_hash
from parley.core.errors import InvalidInput
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment, wrong_code


async def test_signup_gives_a_new_account_its_name_and_password(env):
    signup_token = await env.sign_up(name="Mira", password=PASSWORD)
    signed_in = await env.sign_in(signup_token=signup_token)

    assert signed_in.account.name == "Mira"
    assert (await env.log_in(PASSWORD)).account == signed_in.account


async def test_used_signup_is_forgotten(env):
    signup_token = await env.sign_up()
    await env.sign_in(signup_token=signup_token)

    async with env.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is None


async def test_password_of_a_strangers_signup_never_applies(env):
    await env.sign_up(MIRA, name="Mallory", password="the password of Mallory")
    signed_in = await env.sign_in(MIRA)

    assert (signed_in.account.name, signed_in.account.password_hash) == (None, None)
    with pytest.raises(CredentialsInvalid):
        await env.log_in("the password of Mallory")


async def test_signup_changes_nothing_in_an_existing_account(env):
    owned = await env.sign_in(signup_token=await env.sign_up(name="Mira", password=PASSWORD))
    env.advance(minutes=2)
    signup_token = await env.sign_up(name="Mallory", password="the password of Mallory")

    again = await env.sign_in(signup_token=signup_token)

    assert not again.created
    assert again.account == owned.account
    assert await env.account() == owned.account
    assert (await env.log_in(PASSWORD)).account == owned.account
    with pytest.raises(CredentialsInvalid):
        await env.log_in("the password of Mallory")


async def _unknown_signup(_env: AccountsEnvironment) -> str:
    return "never issued"


async def _foreign_signup(env: AccountsEnvironment) -> str:
    return await env.sign_up(RAVI)


async def _expired_signup(env: AccountsEnvironment) -> str:
    signup_token = await env.sign_up(MIRA)
    env.advance(hours=1)
    return signup_token


_invalid_signups = pytest.mark.parametrize("prepare", [_unknown_signup, _foreign_signup, _expired_signup])


@_invalid_signups
async def test_invalid_signup_token_creates_no_account_and_leaves_the_code_valid(env, prepare):
    signup_token = await prepare(env)
    code = await env.send()

    with pytest.raises(InvalidInput) as refusal:
        await env.verify(code, signup_token=signup_token)

    assert refusal.value.field == "signup_token"
    assert await env.account() is None
    assert (await env.verify(code)).created


@_invalid_signups
async def test_invalid_signup_token_is_ignored_for_an_existing_account(env, prepare):
    owned = await env.sign_in()
    env.advance(minutes=2)

    assert (await env.sign_in(signup_token=await prepare(env))).account == owned.account


@_invalid_signups
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_invalid_signup_token_reveals_nothing_without_the_code(env, prepare, known):
    if known:
        await env.sign_in()
        env.advance(minutes=2)
    signup_token = await prepare(env)
    code = await env.send()

    with pytest.raises(OtpInvalid):
        await env.verify(wrong_code(code), signup_token=signup_token)


async def test_signup_is_valid_for_an_hour(env):
    signup_token = await env.sign_up()
    env.advance(minutes=59)

    assert (await env.sign_in(signup_token=signup_token)).account.name == "Mira"
