"""What was typed at signup, together with a code and without."""

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid
from parley.core.accounts.model import token_hash
from parley.core.errors import InvalidInput
from tests.unit.accounts.desk import MIRA, PASSWORD, RAVI, Desk, wrong_code


async def test_signup_gives_a_new_account_its_name_and_password(desk):
    signup_token = await desk.sign_up(name="Mira", password=PASSWORD)
    signed_in = await desk.sign_in(signup_token=signup_token)

    assert signed_in.account.name == "Mira"
    assert (await desk.log_in(PASSWORD)).account == signed_in.account


async def test_used_signup_is_forgotten(desk):
    signup_token = await desk.sign_up()
    await desk.sign_in(signup_token=signup_token)

    async with desk.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is None


async def test_password_from_a_strangers_signup_never_comes_into_force(desk):
    await desk.sign_up(MIRA, name="Mallory", password="the password of Mallory")
    signed_in = await desk.sign_in(MIRA)

    assert (signed_in.account.name, signed_in.account.password_hash) == (None, None)
    with pytest.raises(CredentialsInvalid):
        await desk.log_in("the password of Mallory")


async def test_signup_changes_nothing_of_an_account_that_exists(desk):
    owned = await desk.sign_in(signup_token=await desk.sign_up(name="Mira", password=PASSWORD))
    desk.later(minutes=2)
    signup_token = await desk.sign_up(name="Mallory", password="the password of Mallory")

    again = await desk.sign_in(signup_token=signup_token)

    assert not again.created
    assert again.account == owned.account
    assert await desk.account() == owned.account
    assert (await desk.log_in(PASSWORD)).account == owned.account
    with pytest.raises(CredentialsInvalid):
        await desk.log_in("the password of Mallory")


async def _unknown_signup(_desk: Desk) -> str:
    return "never issued"


async def _foreign_signup(desk: Desk) -> str:
    return await desk.sign_up(RAVI)


async def _expired_signup(desk: Desk) -> str:
    signup_token = await desk.sign_up(MIRA)
    desk.later(hours=1)
    return signup_token


_bad_signups = pytest.mark.parametrize("prepare", [_unknown_signup, _foreign_signup, _expired_signup])


@_bad_signups
async def test_bad_signup_makes_no_account_and_leaves_the_code_good(desk, prepare):
    signup_token = await prepare(desk)
    code = await desk.send()

    with pytest.raises(InvalidInput) as refusal:
        await desk.verify(code, signup_token=signup_token)

    assert refusal.value.field == "signup_token"
    assert await desk.account() is None
    assert (await desk.verify(code)).created


@_bad_signups
async def test_bad_signup_does_not_keep_a_known_identity_out(desk, prepare):
    owned = await desk.sign_in()
    desk.later(minutes=2)

    assert (await desk.sign_in(signup_token=await prepare(desk))).account == owned.account


@_bad_signups
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_bad_signup_tells_nothing_to_who_has_no_code(desk, prepare, known):
    if known:
        await desk.sign_in()
        desk.later(minutes=2)
    signup_token = await prepare(desk)
    code = await desk.send()

    with pytest.raises(OtpInvalid):
        await desk.verify(wrong_code(code), signup_token=signup_token)


async def test_signup_is_good_for_an_hour(desk):
    signup_token = await desk.sign_up()
    desk.later(minutes=59)

    assert (await desk.sign_in(signup_token=signup_token)).account.name == "Mira"
