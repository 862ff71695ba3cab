"""What is under way while a session or an account ends, over every store: nothing gets around the end.

A database lets only some rounds of a race meet where it matters, so each has many.
"""

from collections.abc import AsyncGenerator

import pytest

from parley.core.accounts.erase import erase_account
from parley.core.accounts.errors import (
    CredentialsInvalid,
    OtpInvalid,
    RefreshTokenInvalid,
    SessionNotFound,
    TokenInvalid,
)
from parley.core.accounts.model import Purpose, SignedIn, TokenPair
from parley.core.accounts.sessions import forget_expired
from tests.contracts.accounts_fixtures import every_store
from tests.unit.accounts.desk import MIRA, PASSWORD, SESSION_LIFE, Desk, outcomes

uow = every_store
ROUNDS = 50
NEW_PASSWORD = "the new password of Mira"
CHANGED = "the changed password of Mira"


async def rounds(desk: Desk) -> AsyncGenerator[SignedIn, None]:
    """Sessions that were just opened by a code, of an account with a PASSWORD; no limit is near."""
    for _ in range(ROUNDS):
        desk.later(minutes=61)
        signed_in = await desk.sign_in(signup_token=await desk.sign_up())
        desk.later(minutes=2)
        yield signed_in


async def erase(desk: Desk, signed_in: SignedIn) -> None:
    await erase_account(
        uow=desk.uow, revocations=desk.revocations, audit=desk.audit, account_id=signed_in.account.id, now=desk.now
    )


async def reset_code(desk: Desk) -> str:
    return await desk.send(MIRA, Purpose.RESET)


async def is_over(desk: Desk, pair: TokenPair) -> None:
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(pair.refresh_token)
    with pytest.raises(TokenInvalid):
        await desk.revocations.check(desk.caller(pair).session_id)
    async with desk.uow(read_only=True) as unit:
        assert await unit.revocations.has(desk.caller(pair).session_id)


def only(raised: list[BaseException], *allowed: type[Exception]) -> None:
    # Unavailable is not among them: it would be a deadlock.
    assert {type(error) for error in raised} <= set(allowed), raised


async def test_login_at_the_time_of_a_reset_leaves_no_session_of_the_old_password(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        code = await reset_code(desk)
        pairs, raised = await outcomes(
            [desk.log_in(), desk.log_in(), desk.reset(code, NEW_PASSWORD), desk.log_in(), desk.log_in()]
        )

        only(raised, CredentialsInvalid)
        assert pairs.count(None) == 1
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(desk, pair)
        assert await desk.log_in(NEW_PASSWORD)
        await erase(desk, signed_in)


async def test_refresh_at_the_time_of_the_sessions_end_is_refused_or_worth_nothing(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        token = signed_in.refresh_token
        pairs, raised = await outcomes(
            [
                desk.refresh(token),
                desk.end(desk.caller(signed_in)),
                desk.end(desk.caller(signed_in)),
                desk.refresh(token),
            ]
        )

        only(raised, RefreshTokenInvalid, SessionNotFound)
        assert [type(error) for error in raised].count(SessionNotFound) == 1
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(desk, pair)


async def test_refresh_at_the_time_of_erasure_is_refused_or_worth_nothing(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        token = signed_in.refresh_token
        pairs, raised = await outcomes(
            [desk.refresh(token), erase(desk, signed_in), desk.end(desk.caller(signed_in)), desk.refresh(token)]
        )

        only(raised, RefreshTokenInvalid, SessionNotFound)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(desk, pair)


async def test_reuse_at_the_time_of_erasure_ends_in_nothing_but_a_refusal(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        child = await desk.refresh(signed_in.refresh_token)
        desk.later(minutes=1)
        _, raised = await outcomes(
            [desk.refresh(signed_in.refresh_token), erase(desk, signed_in), desk.refresh(signed_in.refresh_token)]
        )

        only(raised, RefreshTokenInvalid)
        assert len(raised) == 2
        await is_over(desk, child)


async def test_of_a_change_and_a_reset_at_once_the_reset_stands(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        code = await reset_code(desk)
        _, raised = await outcomes([desk.change(signed_in, CHANGED), desk.reset(code, NEW_PASSWORD)])

        only(raised, CredentialsInvalid, TokenInvalid)
        await is_over(desk, signed_in)
        assert await desk.log_in(NEW_PASSWORD)
        for password in (PASSWORD, CHANGED):
            with pytest.raises(CredentialsInvalid):
                await desk.log_in(password)
        await erase(desk, signed_in)


async def test_of_parallel_changes_of_two_sessions_one_stands_and_ends_the_other(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        other = await desk.log_in()
        _, raised = await outcomes(
            [desk.change(signed_in, CHANGED), desk.change(other, NEW_PASSWORD, current=PASSWORD)]
        )

        only(raised, CredentialsInvalid, TokenInvalid)
        assert len(raised) == 1
        first_stands = (await desk.account()).password_hash.endswith(CHANGED)
        await is_over(desk, other if first_stands else signed_in)
        assert await desk.refresh((signed_in if first_stands else other).refresh_token)
        await erase(desk, signed_in)


async def test_sign_in_by_code_at_the_time_of_erasure_leaves_no_session_of_what_is_gone(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        code = await desk.send()
        pairs, raised = await outcomes([desk.verify(code), erase(desk, signed_in)])

        only(raised, OtpInvalid)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(desk, pair)
        assert await desk.account() is None


async def test_reset_at_the_time_of_erasure_leaves_nothing(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        code = await reset_code(desk)
        _, raised = await outcomes([desk.reset(code, NEW_PASSWORD), erase(desk, signed_in)])

        only(raised, OtpInvalid)
        await is_over(desk, signed_in)
        assert await desk.account() is None


async def test_login_and_change_at_the_time_of_erasure_leave_nothing(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        pairs, raised = await outcomes(
            [desk.log_in(), desk.change(signed_in, CHANGED), erase(desk, signed_in), desk.log_in()]
        )

        only(raised, CredentialsInvalid, TokenInvalid)
        for pair in (signed_in, *(pair for pair in pairs if pair is not None)):
            await is_over(desk, pair)
        assert await desk.account() is None


async def test_account_is_erased_once(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        done, raised = await outcomes([erase(desk, signed_in), erase(desk, signed_in), erase(desk, signed_in)])

        only(raised, TokenInvalid)
        assert len(done) == 1


async def test_erasure_while_the_sweep_forgets_what_has_expired(uow):
    desk = Desk(uow)
    async for signed_in in rounds(desk):
        desk.now += SESSION_LIFE
        desk.later(days=2)
        _, raised = await outcomes(
            [erase(desk, signed_in), forget_expired(uow=uow, session_life=SESSION_LIFE, now=desk.now)]
        )

        only(raised)
        assert await desk.account() is None
