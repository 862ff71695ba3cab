"""Device tokens: what makes a device known, and for how long."""

from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.accounts.model import SignedIn
from parley.core.accounts.sources import DEVICE_LIFE, Client
from tests.unit.accounts.environment import PASSWORD, RAVI, AccountsEnvironment

OWNERS = Client("198.51.100.7", "198.51.100.0/24")


@pytest.fixture
async def owner(env: AccountsEnvironment) -> SignedIn:
    """The owner's sign-in on a known device, with a password."""
    env.client = OWNERS
    signed_in = await env.sign_in(signup_token=await env.sign_up())
    env.advance(hours=2)
    return signed_in


async def test_device_token_is_of_one_identity_and_expires(env, owner):
    ravis = await env.sign_in(RAVI)
    for token in (ravis.device_token, "forged", ""):
        env.client = replace(OWNERS, device_token=token)
        assert (await env.log_in(PASSWORD)).device_token != token
    env.client = replace(OWNERS, device_token=owner.device_token)
    env.advance(seconds=DEVICE_LIFE.total_seconds())
    assert (await env.log_in(PASSWORD)).device_token != owner.device_token


@pytest.mark.parametrize("way", ["code", "password"])
async def test_sign_in_on_a_known_device_renews_its_token_and_adds_none(env, owner, way):
    env.client = replace(OWNERS, device_token=owner.device_token)
    for _ in range(3):
        env.advance(days=200)
        if way == "code":
            challenge = (await env.request_code()).challenge
            signed_in = await env.verify(f"{int(challenge.removeprefix('token-')) - 1:06}", challenge=challenge)
        else:
            signed_in = await env.log_in(PASSWORD)
        assert signed_in.device_token == owner.device_token

    async with env.uow() as unit:
        assert await unit.devices.forget_expired(env.now + timedelta(days=365)) == 1
