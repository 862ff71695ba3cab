from dataclasses import replace

import pytest

from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import Purpose, token_hash
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment, wrong_code


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
async def test_identity_without_account_gets_one(env, identity):
    signed_in = await env.sign_in(identity)

    assert signed_in.created
    assert signed_in.account == await env.account(identity)
    assert (signed_in.account.name, signed_in.account.password_hash) == (None, None)
    assert signed_in.account.created_at == env.now


async def test_identity_with_account_is_signed_in_to_it(env):
    first = await env.sign_in()
    env.advance(minutes=2)
    second = await env.sign_in()

    assert not second.created
    assert second.account == first.account
    assert second.refresh_token != first.refresh_token


async def test_tokens_name_the_account_and_the_session(env):
    signed_in = await env.sign_in()
    caller = env.access_tokens.read(signed_in.access_token, env.now)

    assert caller.account_id == signed_in.account.id
    assert signed_in.expires_in == 15 * 60
    refreshed = await env.refresh(signed_in.refresh_token)
    assert env.access_tokens.read(refreshed.access_token, env.now).session_id == caller.session_id


async def _wrong(env: AccountsEnvironment) -> str:
    return wrong_code(await env.send())


async def _spent(env: AccountsEnvironment) -> str:
    code = await env.send()
    await env.verify(code)
    return code


async def _expired(env: AccountsEnvironment) -> str:
    code = await env.send()
    env.advance(seconds=600)
    return code


async def _exhausted(env: AccountsEnvironment) -> str:
    code = await env.send()
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await env.verify(wrong_code(code))
    return code


async def _never_sent(_env: AccountsEnvironment) -> str:
    return "123456"


async def _for_another_purpose(env: AccountsEnvironment) -> str:
    await env.sign_in()
    env.advance(minutes=2)
    return await env.send(MIRA, Purpose.RESET)


async def _of_another_identity(env: AccountsEnvironment) -> str:
    await env.send(MIRA)
    return await env.send(RAVI)


async def _unreadable(env: AccountsEnvironment) -> str:
    await env.send()
    return "12\ud80034\x00"


async def _empty(env: AccountsEnvironment) -> str:
    await env.send()
    return ""


@pytest.mark.parametrize(
    "prepare",
    [
        _wrong,
        _spent,
        _expired,
        _exhausted,
        _never_sent,
        _for_another_purpose,
        _of_another_identity,
        _unreadable,
        _empty,
    ],
)
async def test_every_invalid_code_gets_the_same_error(env, prepare):
    code = await prepare(env)

    with pytest.raises(OtpInvalid) as refusal:
        await env.verify(code)

    assert refusal.value.detail == OtpInvalid().detail


async def test_code_is_valid_until_it_expires(env):
    code = await env.send()
    env.advance(seconds=599)

    assert (await env.verify(code)).created


async def test_four_wrong_guesses_leave_the_code_valid(env):
    code = await env.send()
    for _ in range(4):
        with pytest.raises(OtpInvalid):
            await env.verify(wrong_code(code))

    assert (await env.verify(code)).created


async def test_new_code_starts_with_no_tries(env):
    await _exhausted(env)
    env.advance(seconds=60)

    assert (await env.sign_in()).created


@pytest.mark.parametrize(
    ("identity", "purpose"), [(RAVI, Purpose.SIGN_IN), (MIRA, Purpose.RESET)], ids=["identity", "purpose"]
)
async def test_stored_mac_is_bound_to_its_identity_and_purpose(env, identity, purpose):
    env.code_delivery = None
    sent = await env.request_code(identity, purpose)
    async with env.uow() as unit:
        other = await unit.challenges.get(token_hash(sent.challenge))
        moved = replace(other, id_hash=token_hash("moved"), identity=MIRA, purpose=Purpose.SIGN_IN)
        await unit.challenges.add(moved)
        await unit.commit()

    for challenge in (sent.challenge, "moved", None):
        with pytest.raises(OtpInvalid):
            await env.verify(sent.shown_code, MIRA, challenge=challenge)


async def test_code_of_an_older_key_is_valid_while_that_key_is_listed(env):
    code = await env.send()
    env.keys = [b"a newer key", *env.keys]

    assert (await env.verify(code)).created


async def test_code_of_a_key_no_longer_listed_is_refused(env):
    code = await env.send()
    env.keys = [b"a newer key"]

    with pytest.raises(OtpInvalid):
        await env.verify(code)


async def test_secrets_are_not_in_the_repr(env):
    signed_in = await env.sign_in(signup_token=await env.sign_up())

    for secret in (signed_in.access_token, signed_in.refresh_token, PASSWORD):
        assert secret not in repr(signed_in)
