"""What is removed once it has had its time."""

from datetime import datetime

import pytest

from parley.core.accounts.errors import OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import token_hash
from parley.core.accounts.sessions import forget_expired
from tests.unit.accounts.desk import SESSION_LIFE, Desk


@pytest.fixture
async def first(desk: Desk) -> str:
    """The refresh token of a session just opened."""
    return (await desk.sign_in()).refresh_token


async def forgotten(desk: Desk, now: datetime | None = None) -> int:
    return await forget_expired(uow=desk.uow, session_life=SESSION_LIFE, now=now or desk.now)


async def test_expired_codes_and_signups_are_forgotten(desk):
    signup_token = await desk.sign_up()
    code = await desk.send()
    desk.later(seconds=599)
    assert await forgotten(desk) == 0
    desk.later(seconds=1)
    assert await forgotten(desk) == 1
    desk.later(hours=1)
    assert await forgotten(desk) == 1

    with pytest.raises(OtpInvalid):
        await desk.verify(code)
    async with desk.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is None


async def test_session_is_forgotten_a_day_after_it_ended(desk, first):
    child = (await desk.refresh(first)).refresh_token
    desk.later(minutes=11)
    assert await forgotten(desk) == 1  # the code
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)

    desk.later(days=1)
    assert await forgotten(desk) == 1  # the revocation
    desk.later(seconds=1)
    assert await forgotten(desk) == 1
    async with desk.uow(read_only=True) as unit:
        assert await unit.sessions.token(token_hash(child)) is None


async def test_session_is_forgotten_a_day_after_it_expired(desk, first):
    await forgotten(desk, desk.now + SESSION_LIFE)

    desk.now += SESSION_LIFE
    desk.later(days=1)
    assert await forgotten(desk) == 0
    desk.later(seconds=1)
    assert await forgotten(desk) == 1


async def test_code_that_was_never_delivered_is_forgotten_when_it_expires(desk):
    await desk.ask()
    desk.later(seconds=599)
    assert await forgotten(desk) == 0
    desk.later(seconds=1)

    assert await forgotten(desk) == 2  # the delivery, and the code
    await desk.deliver()
    assert desk.outbox.sent == []


async def test_revocation_is_forgotten_once_no_token_of_its_session_can_be_good(desk, first):
    pair = await desk.refresh(first)
    await desk.end(desk.caller(pair))
    await forgotten(desk, desk.now.replace(minute=11))  # the code
    desk.later(minutes=16, seconds=-1)
    assert await forgotten(desk) == 0
    desk.later(seconds=1)

    assert await forgotten(desk) == 1


async def test_used_token_is_forgotten_after_a_sessions_life_and_then_ends_nothing(desk, first):
    second = (await desk.refresh(first)).refresh_token
    desk.later(days=29)
    third = (await desk.refresh(second)).refresh_token
    desk.later(days=1)
    assert await forgotten(desk) == 1  # the code
    desk.later(seconds=1)
    assert await forgotten(desk) == 1

    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)
    fourth = (await desk.refresh(third)).refresh_token
    assert fourth
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(second)
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(fourth)
