"""What is under way while a session or an account ends, over every store: nothing gets around the end.

A database lets only some rounds of a race meet where it matters, so each has many.
"""

from collections.abc import AsyncGenerator

import pytest

from parley.core.accounts.erase import erase_account, erase_own_account
from parley.core.accounts.errors import (
    CredentialsInvalid,
    OtpInvalid,
    RefreshTokenInvalid,
    SessionNotFound,
    TokenInvalid,
)
from parley.core.accounts.model import Purpose, SignedIn, TokenPair
from parley.core.accounts.sessions import forget_expired
from parley.core.accounts.sources import Client
from tests.contracts.accounts_fixtures import every_store
from tests.unit.accounts.environment import MIRA, PASSWORD, SESSION_LIFE, AccountsEnvironment, outcomes

uow = every_store
ROUNDS = 50
NEW_PASSWORD = "the new password of Mira"
CHANGED = "the changed password of Mira"


async def rounds(env: AccountsEnvironment) -> AsyncGenerator[SignedIn, None]:
    """Sessions that were just opened by a code, of an account with a PASSWORD; no limit is near."""
    for number in range(ROUNDS):
        # Failed guesses of an address count for a day.
        env.client = Client(f"192.0.2.{number}", "192.0.2.0/24")
        env.advance(minutes=61)
        signed_in = await env.sign_in(signup_token=await env.sign_up())
        env.advance(minutes=2)
        yield signed_in


async def erase(env: AccountsEnvironment, signed_in: SignedIn) -> None:
    await erase_account(env.ports, account_id=signed_in.account.id)


async def reset_code(env: AccountsEnvironment) -> str:
    return await env.send(MIRA, Purpose.RESET)


async def is_over(env: AccountsEnvironment, pair: TokenPair) -> None:
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(pair.refresh_token)
    with pytest.raises(TokenInvalid):
        await env.revocations.check(env.caller(pair).session_id, env.caller(pair).account_id)
    async with env.uow(read_only=True) as unit:
        assert await unit.revocations.has(env.caller(pair).session_id)


def only(raised: list[BaseException], *allowed: type[Exception]) -> None:
    # Unavailable is not among them: it would be a deadlock.
    assert {type(error) for error in raised} <= set(allowed), raised


async def test_login_at_the_time_of_a_reset_leaves_no_session_of_the_old_password(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        code = await reset_code(env)
        pairs, raised = await outcomes(
            [env.log_in(), env.log_in(), env.reset(code, NEW_PASSWORD), env.log_in(), env.log_in()]
        )

        only(raised, CredentialsInvalid)
        assert pairs.count(None) == 1
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(env, pair)
        assert await env.log_in(NEW_PASSWORD)
        await erase(env, signed_in)


async def test_refresh_at_the_time_of_the_sessions_end_is_refused_or_worth_nothing(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        token = signed_in.refresh_token
        pairs, raised = await outcomes(
            [
                env.refresh(token),
                env.end(env.caller(signed_in)),
                env.end(env.caller(signed_in)),
                env.refresh(token),
            ]
        )

        only(raised, RefreshTokenInvalid, SessionNotFound)
        assert [type(error) for error in raised].count(SessionNotFound) == 1
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(env, pair)


async def test_refresh_at_the_time_of_erasure_is_refused_or_worth_nothing(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        token = signed_in.refresh_token
        pairs, raised = await outcomes(
            [env.refresh(token), erase(env, signed_in), env.end(env.caller(signed_in)), env.refresh(token)]
        )

        only(raised, RefreshTokenInvalid, SessionNotFound)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(env, pair)


async def test_reuse_at_the_time_of_erasure_ends_in_nothing_but_a_refusal(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        child = await env.refresh(signed_in.refresh_token)
        env.advance(minutes=1)
        _, raised = await outcomes(
            [env.refresh(signed_in.refresh_token), erase(env, signed_in), env.refresh(signed_in.refresh_token)]
        )

        only(raised, RefreshTokenInvalid)
        assert len(raised) == 2
        await is_over(env, child)


async def test_of_a_change_and_a_reset_at_once_the_reset_stands(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        code = await reset_code(env)
        _, raised = await outcomes([env.change(signed_in, CHANGED), env.reset(code, NEW_PASSWORD)])

        only(raised, CredentialsInvalid, TokenInvalid)
        await is_over(env, signed_in)
        assert await env.log_in(NEW_PASSWORD)
        for password in (PASSWORD, CHANGED):
            with pytest.raises(CredentialsInvalid):
                await env.log_in(password)
        await erase(env, signed_in)


async def test_of_parallel_changes_of_two_sessions_one_stands_and_ends_the_other(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        other = await env.log_in()
        _, raised = await outcomes([env.change(signed_in, CHANGED), env.change(other, NEW_PASSWORD, current=PASSWORD)])

        only(raised, CredentialsInvalid, TokenInvalid)
        assert len(raised) == 1
        first_stands = (await env.account()).password_hash.endswith(CHANGED)
        await is_over(env, other if first_stands else signed_in)
        assert await env.refresh((signed_in if first_stands else other).refresh_token)
        await erase(env, signed_in)


async def test_sign_in_by_code_at_the_time_of_erasure_leaves_no_session_of_what_is_gone(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        code = await env.send()
        pairs, raised = await outcomes([env.verify(code), erase(env, signed_in)])

        only(raised, OtpInvalid)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(env, pair)
        assert await env.account() is None


async def test_reset_at_the_time_of_erasure_leaves_nothing(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        code = await reset_code(env)
        _, raised = await outcomes([env.reset(code, NEW_PASSWORD), erase(env, signed_in)])

        only(raised, OtpInvalid)
        await is_over(env, signed_in)
        assert await env.account() is None


async def test_login_and_change_at_the_time_of_erasure_leave_nothing(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        pairs, raised = await outcomes(
            [env.log_in(), env.change(signed_in, CHANGED), erase(env, signed_in), env.log_in()]
        )

        only(raised, CredentialsInvalid, TokenInvalid)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(env, pair)
        assert await env.account() is None


async def test_account_is_erased_once(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        done, raised = await outcomes([erase(env, signed_in), erase(env, signed_in), erase(env, signed_in)])

        only(raised, TokenInvalid)
        assert len(done) == 1


async def test_erasure_while_the_sweep_forgets_what_has_expired(uow):
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        env.now += SESSION_LIFE
        env.advance(days=2)
        _, raised = await outcomes([erase(env, signed_in), forget_expired(env.ports)])

        only(raised)
        assert await env.account() is None


async def test_of_a_proven_erasure_and_a_reset_one_succeeds(uow):
    """The reset ends the session that is the proof, and the erasure takes the code away."""
    env = AccountsEnvironment(uow)
    async for signed_in in rounds(env):
        caller, code = env.caller(signed_in), await reset_code(env)
        by_owner = erase_own_account(env.ports, caller=caller, current_password=None)
        _, raised = await outcomes([by_owner, env.reset(code, NEW_PASSWORD)])
        only(raised, TokenInvalid, OtpInvalid)
        assert len(raised) == 1
        assert (await env.account() is None) is isinstance(raised[0], OtpInvalid)
