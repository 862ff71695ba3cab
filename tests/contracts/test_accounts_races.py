"""Concurrent calls of the accounts use cases, over every store."""

from dataclasses import replace

import pytest

from parley.core.accounts.errors import OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import TokenPair
from parley.core.errors import TooManyRequests
from tests.contracts.accounts_fixtures import every_store
from tests.unit.accounts.environment import AccountsEnvironment, outcomes, wrong_code

uow = every_store


async def test_200_parallel_guesses_use_the_code_up(uow):
    env = AccountsEnvironment(uow)
    code = await env.send()
    # The right code comes after the five tries that count.
    guesses = [wrong_code(code)] * 199 + [code]

    signed_in, refused = await outcomes(env.verify(guess) for guess in guesses)

    assert signed_in == []
    # After 50 of them the address has failed too often.
    assert [type(refusal) for refusal in refused].count(OtpInvalid) == 50
    assert {type(refusal) for refusal in refused} == {OtpInvalid, TooManyRequests}
    env.client = replace(env.client, address="192.0.2.2")
    with pytest.raises(OtpInvalid):
        await env.verify(code)
    assert await env.account() is None


async def test_200_parallel_right_codes_open_one_session(uow):
    env = AccountsEnvironment(uow)
    code = await env.send()

    signed_in, refused = await outcomes(env.verify(code) for _ in range(200))

    assert len(signed_in) == 1
    # A success forgives wrong guesses, so how many are too many depends on when it comes.
    assert {type(refusal) for refusal in refused} <= {OtpInvalid, TooManyRequests}


async def test_50_parallel_refreshes_of_one_token_have_one_successor(uow):
    env = AccountsEnvironment(uow)
    first = (await env.sign_in()).refresh_token

    pairs, refused = await outcomes(env.refresh(first) for _ in range(50))

    assert refused == []
    successors = {pair.refresh_token for pair in pairs if isinstance(pair, TokenPair)}
    assert len(successors) == 1
    assert await env.refresh(successors.pop())


async def test_parallel_uses_of_a_stolen_token_end_the_session_for_all(uow):
    env = AccountsEnvironment(uow)
    first = (await env.sign_in()).refresh_token
    child = (await env.refresh(first)).refresh_token
    env.advance(minutes=1)

    pairs, refused = await outcomes(env.refresh(first) for _ in range(20))

    assert pairs == []
    assert {type(refusal) for refusal in refused} == {RefreshTokenInvalid}
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(child)
