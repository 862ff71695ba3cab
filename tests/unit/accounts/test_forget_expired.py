"""The removal of expired rows."""

from dataclasses import replace
from datetime import datetime

import pytest

from parley.core.accounts.errors import OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import token_hash
from parley.core.accounts.sessions import forget_expired
from tests.unit.accounts.environment import SESSION_LIFE, AccountsEnvironment


@pytest.fixture
async def first(env: AccountsEnvironment) -> str:
    """The refresh token of a new session."""
    return (await env.sign_in()).refresh_token


async def forgotten(env: AccountsEnvironment, now: datetime | None = None) -> int:
    return await forget_expired(replace(env.ports, now=lambda: now or env.now))


async def test_expired_codes_and_signups_are_forgotten(env):
    signup_token = await env.sign_up()
    code = await env.send()
    env.advance(seconds=599)
    assert await forgotten(env) == 0
    env.advance(seconds=1)
    assert await forgotten(env) == 1
    env.advance(hours=1)
    assert await forgotten(env) == 1

    with pytest.raises(OtpInvalid):
        await env.verify(code)
    async with env.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is None


async def test_session_is_forgotten_a_day_after_it_ended(env, first):
    child = (await env.refresh(first)).refresh_token
    env.advance(minutes=11)
    assert await forgotten(env) == 1  # the code
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)

    env.advance(days=1)
    assert await forgotten(env) == 0
    env.advance(seconds=1)
    assert await forgotten(env) == 1
    async with env.uow(read_only=True) as unit:
        assert await unit.sessions.token(token_hash(child)) is None


async def test_session_is_forgotten_a_day_after_it_expired(env, first):
    await forgotten(env, env.now + SESSION_LIFE)

    env.now += SESSION_LIFE
    env.advance(days=1)
    assert await forgotten(env) == 0
    env.advance(seconds=1)
    assert await forgotten(env) == 1


async def test_code_that_was_never_delivered_is_forgotten_when_it_expires(env):
    await env.request_code()
    env.advance(seconds=599)
    assert await forgotten(env) == 0
    env.advance(seconds=1)

    assert await forgotten(env) == 2  # the delivery, and the code
    await env.deliver_codes()
    assert env.sender.sent == []


async def test_revocation_is_forgotten_once_every_token_of_its_session_has_expired(env, first):
    pair = await env.refresh(first)
    await env.end(env.caller(pair))
    await forgotten(env, env.now.replace(minute=11))  # the code
    env.advance(days=1, minutes=1, seconds=-1)
    assert await forgotten(env) == 1  # the session
    assert await forgotten(env) == 0
    env.advance(seconds=1)

    assert await forgotten(env) == 1
