from datetime import timedelta

import pytest

from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import Challenge, Purpose
from tests.unit.accounts.desk import MIRA, PASSWORD, RAVI, Desk, wrong_code


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
async def test_unknown_identity_becomes_an_account(desk, identity):
    signed_in = await desk.sign_in(identity)

    assert signed_in.created
    assert signed_in.account == await desk.account(identity)
    assert (signed_in.account.name, signed_in.account.password_hash) == (None, None)
    assert signed_in.account.created_at == desk.now


async def test_known_identity_is_signed_in_to_its_account(desk):
    first = await desk.sign_in()
    desk.later(minutes=2)
    second = await desk.sign_in()

    assert not second.created
    assert second.account == first.account
    assert second.refresh_token != first.refresh_token


async def test_tokens_speak_for_the_account_and_the_session(desk):
    signed_in = await desk.sign_in()
    caller = desk.access_tokens.read(signed_in.access_token, desk.now)

    assert caller.account_id == signed_in.account.id
    assert signed_in.expires_in == 15 * 60
    refreshed = await desk.refresh(signed_in.refresh_token)
    assert desk.access_tokens.read(refreshed.access_token, desk.now).session_id == caller.session_id


async def _wrong(desk: Desk) -> str:
    return wrong_code(await desk.send())


async def _spent(desk: Desk) -> str:
    code = await desk.send()
    await desk.verify(code)
    return code


async def _expired(desk: Desk) -> str:
    code = await desk.send()
    desk.later(seconds=600)
    return code


async def _exhausted(desk: Desk) -> str:
    code = await desk.send()
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await desk.verify(wrong_code(code))
    return code


async def _never_sent(_desk: Desk) -> str:
    return "123456"


async def _for_another_purpose(desk: Desk) -> str:
    await desk.sign_in()
    desk.later(minutes=2)
    return await desk.send(MIRA, Purpose.RESET)


async def _of_another_identity(desk: Desk) -> str:
    await desk.send(MIRA)
    return await desk.send(RAVI)


async def _unreadable(desk: Desk) -> str:
    await desk.send()
    return "12\ud80034\x00"


async def _empty(desk: Desk) -> str:
    await desk.send()
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
async def test_every_bad_code_is_refused_alike(desk, prepare):
    code = await prepare(desk)

    with pytest.raises(OtpInvalid) as refusal:
        await desk.verify(code)

    assert refusal.value.detail == OtpInvalid().detail


async def test_code_is_good_until_it_expires(desk):
    code = await desk.send()
    desk.later(seconds=599)

    assert (await desk.verify(code)).created


async def test_four_wrong_guesses_leave_the_code_good(desk):
    code = await desk.send()
    for _ in range(4):
        with pytest.raises(OtpInvalid):
            await desk.verify(wrong_code(code))

    assert (await desk.verify(code)).created


async def test_new_code_has_its_tries_anew(desk):
    await _exhausted(desk)
    desk.later(seconds=60)

    assert (await desk.sign_in()).created


@pytest.mark.parametrize(
    ("identity", "purpose"), [(RAVI, Purpose.SIGN_IN), (MIRA, Purpose.RESET)], ids=["identity", "purpose"]
)
async def test_what_is_stored_of_a_code_is_bound_to_its_identity_and_purpose(desk, identity, purpose):
    desk.post = None
    code = (await desk.ask(identity, purpose)).shown_code
    async with desk.uow() as unit:
        moved = await unit.challenges.count_try(identity, purpose, limit=5, now=desk.now)
        await unit.challenges.put(Challenge(MIRA, Purpose.SIGN_IN, moved, desk.now + timedelta(minutes=1)))
        await unit.commit()

    with pytest.raises(OtpInvalid):
        await desk.verify(code, MIRA)


async def test_code_of_an_older_key_is_good_while_that_key_is_listed(desk):
    code = await desk.send()
    desk.keys = [b"a newer key", *desk.keys]

    assert (await desk.verify(code)).created


async def test_code_of_a_key_no_longer_listed_is_refused(desk):
    code = await desk.send()
    desk.keys = [b"a newer key"]

    with pytest.raises(OtpInvalid):
        await desk.verify(code)


async def test_secrets_are_not_in_the_repr_of_what_is_passed_around(desk):
    signed_in = await desk.sign_in(signup_token=await desk.sign_up())

    for secret in (signed_in.access_token, signed_in.refresh_token, PASSWORD):
        assert secret not in repr(signed_in)
