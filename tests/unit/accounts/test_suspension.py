"""Suspending and resuming an account: what is refused, what is revealed, and what is there again."""

from uuid import UUID

import pytest

from parley.core.accounts.api_keys import make_key
from parley.core.accounts.desk import resume_account, suspend_account
from parley.core.accounts.errors import (
    AccountNotFound,
    AccountSuspended,
    CredentialsInvalid,
    OtpInvalid,
    RefreshTokenInvalid,
    SignInSuspended,
    TokenInvalid,
)
from parley.core.accounts.model import AuditEvent, SignedIn
from parley.core.accounts.revocations import RevocationList
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment, wrong_code

BY = "operator"


@pytest.fixture
async def pair(env: AccountsEnvironment) -> SignedIn:
    """Mira's session; her account has a password."""
    signed_in = await env.sign_in(signup_token=await env.sign_up())
    await env.revocations.refresh(env.now)
    return signed_in


async def suspend(env: AccountsEnvironment, pair: SignedIn) -> None:
    await suspend_account(env.ports, account_id=pair.account.id, by=BY)


async def resume(env: AccountsEnvironment, pair: SignedIn) -> None:
    await resume_account(env.ports, account_id=pair.account.id, by=BY)


async def check(revocations: RevocationList, env: AccountsEnvironment, pair: SignedIn) -> None:
    caller = env.caller(pair)
    await revocations.check(caller.session_id, caller.account_id)


async def test_a_suspended_account_is_refused_at_once_and_accepted_after_it_is_resumed(env, pair):
    await check(env.revocations, env, pair)
    await suspend(env, pair)

    with pytest.raises(AccountSuspended):
        await check(env.revocations, env, pair)

    await resume(env, pair)
    await check(env.revocations, env, pair)


async def test_other_processes_learn_of_both_with_their_next_refresh(env, pair):
    other = RevocationList(uow=env.uow, monotonic=env.monotonic)
    await other.refresh(env.now)
    await suspend(env, pair)
    await check(other, env, pair)
    env.advance(seconds=0.3)
    await other.refresh(env.now)

    with pytest.raises(AccountSuspended):
        await check(other, env, pair)

    await resume(env, pair)
    env.advance(seconds=0.3)
    await other.refresh(env.now)
    await check(other, env, pair)


async def test_a_process_that_starts_later_knows_the_suspended_accounts(env, pair):
    await suspend(env, pair)
    ravi = await env.sign_in(RAVI)
    env.advance(hours=1)
    started = RevocationList(uow=env.uow, monotonic=env.monotonic)
    await started.refresh(env.now)

    with pytest.raises(AccountSuspended):
        started.check_known(UUID(int=0), pair.account.id)
    started.check_known(UUID(int=0), ravi.account.id)


async def test_a_process_whose_list_is_old_asks_the_database(env, pair):
    other = RevocationList(uow=env.uow, monotonic=env.monotonic)
    await other.refresh(env.now)
    await suspend(env, pair)
    env.advance(seconds=1.1)

    with pytest.raises(AccountSuspended):
        await check(other, env, pair)


async def test_a_session_that_ended_is_void_also_while_its_account_is_suspended(env, pair):
    await env.end(env.caller(pair))
    await suspend(env, pair)

    with pytest.raises(TokenInvalid) as refusal:
        await check(env.revocations, env, pair)
    assert refusal.value.code == "token_invalid"


async def test_a_refresh_token_is_refused_without_being_used(env, pair):
    await suspend(env, pair)
    for _ in range(2):
        with pytest.raises(AccountSuspended):
            await env.refresh(pair.refresh_token)
        env.advance(minutes=1)

    await resume(env, pair)
    await env.refresh(pair.refresh_token)


async def test_an_unknown_refresh_token_does_not_learn_of_a_suspension(env, pair):
    await suspend(env, pair)

    with pytest.raises(RefreshTokenInvalid):
        await env.refresh("no such token")


async def test_only_the_right_password_learns_of_the_suspension(env, pair):
    await suspend(env, pair)

    with pytest.raises(SignInSuspended):
        await env.log_in()
    with pytest.raises(CredentialsInvalid):
        await env.log_in("another password")
    assert env.passwords.verified[-1] is not None

    await resume(env, pair)
    await env.log_in()


async def test_the_right_password_of_a_suspended_account_is_no_failed_guess(env, pair):
    await suspend(env, pair)
    for _ in range(9):
        with pytest.raises(SignInSuspended):
            await env.log_in()
    await resume(env, pair)

    await env.log_in()


async def test_only_the_right_code_learns_of_the_suspension_and_is_spent(env, pair):
    await suspend(env, pair)
    env.advance(minutes=2)
    code = await env.send()

    with pytest.raises(OtpInvalid):
        await env.verify(wrong_code(code))
    with pytest.raises(SignInSuspended):
        await env.verify(code)
    with pytest.raises(OtpInvalid):
        await env.verify(code)

    await resume(env, pair)
    env.advance(minutes=2)
    await env.verify(await env.send())


async def test_a_sign_in_to_a_suspended_account_opens_no_session(env, database, pair):
    await suspend(env, pair)
    before = set(database.committed.sessions)
    with pytest.raises(SignInSuspended):
        await env.log_in(PASSWORD)
    env.advance(minutes=2)
    code = await env.send()
    with pytest.raises(SignInSuspended):
        await env.verify(code)

    assert set(database.committed.sessions) == before


async def test_a_second_suspension_keeps_the_time_of_the_first(env, pair):
    await suspend(env, pair)
    since = env.now
    env.advance(hours=1)
    await suspend(env, pair)

    account = await env.account()
    assert account is not None
    assert account.suspended_at == since


async def test_the_audit_trail_says_who_did_it_and_who_was_refused(env, pair):
    await suspend(env, pair)
    with pytest.raises(SignInSuspended):
        await env.log_in()
    await resume(env, pair)

    assert [note for note in env.audit.notes if note.account_id == pair.account.id][-3:] == [
        AuditNote(AuditEvent.ACCOUNT_SUSPENDED, account_id=pair.account.id, by=BY),
        AuditNote(AuditEvent.SIGN_IN_FAILED, identity=MIRA, account_id=pair.account.id, how="suspended"),
        AuditNote(AuditEvent.ACCOUNT_RESUMED, account_id=pair.account.id, by=BY),
    ]


@pytest.mark.parametrize("change", [suspend_account, resume_account])
async def test_an_account_that_is_gone_is_not_found(env, change):
    with pytest.raises(AccountNotFound):
        await change(env.ports, account_id=UUID(int=404), by=BY)
    assert env.audit.notes == []


async def test_api_keys_do_not_live_through_a_suspension(env, database, pair):
    made = await make_key(env.ports, account_id=pair.account.id, name="Nightly", expires_at=None)
    await resume(env, pair)
    key = await env.api_keys.caller(made.secret, env.now)
    await env.revocations.check(key.session_id, key.account_id)

    await suspend(env, pair)
    with pytest.raises(AccountSuspended):
        await env.revocations.check(key.session_id, key.account_id)
    await resume(env, pair)
    with pytest.raises(TokenInvalid):
        await env.revocations.check(key.session_id, key.account_id)
    assert database.committed.api_keys == {}
