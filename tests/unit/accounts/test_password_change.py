from datetime import timedelta
from uuid import UUID

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid, TokenInvalid
from parley.core.accounts.model import CODE_TRIES, AuditEvent, Purpose, SignedIn, TokenPair
from parley.core.errors import InvalidInput, Overloaded, TooManyRequests
from tests.fakes.account_ports import FakePasswords
from tests.unit.accounts.environment import (
    MIRA,
    PASSWORD,
    RAVI,
    SESSION_LIFE,
    AccountsEnvironment,
    outcomes,
    wrong_code,
)

NEW = "the new password of Mira"

# An account that is not suspended, in checks of a session.
NOBODY = UUID(int=0)


@pytest.fixture
async def owned(env: AccountsEnvironment) -> SignedIn:
    """A new session, opened by a code, of an account with PASSWORD. The revocation list is fresh."""
    await env.revocations.refresh(env.now)
    return await env.sign_in(signup_token=await env.sign_up())


async def reset_code(env: AccountsEnvironment) -> str:
    return await env.send(MIRA, Purpose.RESET)


async def is_live(env: AccountsEnvironment, pair: TokenPair) -> bool:
    """Whether the session is live. If it is not, all its tokens must be refused."""
    session_id = env.caller(pair).session_id
    async with env.uow(read_only=True) as unit:
        revocations = await unit.revocations.has(session_id)
    if not revocations:
        await env.revocations.check(session_id, NOBODY)
        await env.refresh(pair.refresh_token)
        return True
    with pytest.raises(TokenInvalid):
        await env.revocations.check(session_id, NOBODY)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(pair.refresh_token)
    return False


class InterruptedPasswords(FakePasswords):
    """Calls `interrupt` while the first password is hashed."""

    def __init__(self, interrupt) -> None:
        super().__init__()
        self._interrupt = interrupt

    async def hash(self, password: str) -> str:
        interrupt, self._interrupt = self._interrupt, None
        if interrupt:
            await interrupt()
        return await super().hash(password)


async def test_reset_sets_the_password_and_ends_every_session(env, owned):
    others = [await env.log_in(), await env.sign_in(RAVI)]
    await env.reset(await reset_code(env), NEW)

    assert [await is_live(env, pair) for pair in (owned, *others)] == [False, False, True]
    with pytest.raises(CredentialsInvalid):
        await env.log_in(PASSWORD)
    assert (await env.log_in(NEW)).account.id == owned.account.id


async def test_reset_gives_a_password_to_an_account_without_one(env):
    await env.sign_in()
    await env.reset(await reset_code(env), NEW)

    assert await env.log_in(NEW)


async def test_of_50_parallel_resets_with_one_code_one_succeeds(env, owned):
    code = await reset_code(env)
    done, refused = await outcomes(env.reset(code, f"{NEW} {number}") for number in range(50))

    assert len(done) == 1
    assert {type(refusal) for refusal in refused} == {OtpInvalid}
    assert env.audit.events.count(AuditEvent.PASSWORD_RESET) == 1
    assert env.audit.events.count(AuditEvent.RESET_FAILED) == 49


async def test_wrong_reset_codes_are_counted_and_change_nothing(env, owned):
    code = await reset_code(env)
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await env.reset(wrong_code(code), NEW)
    with pytest.raises(OtpInvalid):
        await env.reset(code, NEW)

    assert await env.log_in(PASSWORD)
    assert await is_live(env, owned)


async def test_codes_are_valid_for_their_own_purpose_only(env, owned):
    env.advance(minutes=2)
    sign_in, reset = await env.send(), await reset_code(env)
    with pytest.raises(OtpInvalid):
        await env.reset(sign_in, NEW)
    with pytest.raises(OtpInvalid):
        await env.verify(reset)

    assert await env.verify(sign_in)
    await env.reset(reset, NEW)


@pytest.mark.parametrize("password", ["short", "password1", "mira@example.com", "p" * 129])
async def test_refused_password_leaves_the_code_valid(env, owned, password):
    code = await reset_code(env)
    for _ in range(9):
        with pytest.raises(InvalidInput) as refusal:
            await env.reset(code, password)
        assert refusal.value.field == "new_password"

    await env.reset(code, NEW)


async def test_reset_whose_hash_finds_no_time_uses_up_no_try(env, owned):
    class Busy(FakePasswords):
        async def hash(self, *_: str) -> str:
            raise Overloaded(3)

    code = await reset_code(env)
    idle, env.passwords = env.passwords, Busy()
    for _ in range(CODE_TRIES + 1):
        with pytest.raises(Overloaded):
            await env.reset(code, NEW)
    env.passwords = idle
    for _ in range(CODE_TRIES - 1):
        with pytest.raises(OtpInvalid):
            await env.reset(wrong_code(code), NEW)

    await env.reset(code, NEW)
    assert await env.log_in(NEW)


async def test_reset_for_an_identity_without_account_is_refused_like_a_wrong_code(env):
    env.code_delivery = None
    code = (await env.request_code(MIRA, Purpose.RESET)).shown_code
    for _ in range(2):
        with pytest.raises(OtpInvalid):
            await env.reset(code, NEW)

    assert await env.account() is None
    assert env.audit.events[1:] == [AuditEvent.RESET_FAILED] * 2


async def test_change_with_the_current_password_ends_the_other_sessions(env, owned):
    this, other, ravis = await env.log_in(), await env.log_in(), await env.sign_in(RAVI)
    await env.change(this, NEW, current=PASSWORD)

    assert [await is_live(env, pair) for pair in (this, owned, other, ravis)] == [True, False, False, True]
    with pytest.raises(CredentialsInvalid):
        await env.log_in(PASSWORD)
    assert await env.log_in(NEW)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=9, seconds=59), timedelta(minutes=10)])
async def test_session_opened_by_a_recent_code_needs_no_current_password(env, owned, age):
    env.now += age
    await env.change(owned, NEW)

    assert await env.log_in(NEW)


async def test_session_opened_by_an_older_code_needs_the_current_password(env, owned):
    env.advance(minutes=9)
    refreshed = await env.refresh(owned.refresh_token)
    env.advance(minutes=1, seconds=1)
    with pytest.raises(InvalidInput) as refusal:
        await env.change(refreshed, NEW)

    assert refusal.value.field == "current_password"
    assert await env.log_in(PASSWORD)
    await env.change(refreshed, NEW, current=PASSWORD)


async def test_session_opened_by_a_password_needs_the_current_password(env, owned):
    with pytest.raises(InvalidInput) as refusal:
        await env.change(await env.log_in(), NEW)

    assert refusal.value.field == "current_password"
    assert await env.log_in(PASSWORD)


async def test_wrong_current_password_changes_nothing_and_is_counted_apart_from_the_logins(env, owned):
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await env.change(owned, NEW, current=PASSWORD + "r")
    with pytest.raises(TooManyRequests):
        await env.change(owned, NEW, current=PASSWORD)

    assert env.audit.events.count(AuditEvent.CHANGE_FAILED) == 5
    assert await env.log_in(PASSWORD)


async def test_account_without_a_password_can_set_its_first_one(env):
    signed_in = await env.sign_in()
    with pytest.raises(CredentialsInvalid):
        await env.change(signed_in, NEW, current="")
    await env.change(signed_in, NEW)

    assert await env.log_in(NEW)
    assert await is_live(env, signed_in)


@pytest.mark.parametrize("password", ["short", "iloveyou", "mira@example.com"])
async def test_refused_password_changes_nothing_and_skips_the_verification(env, owned, password):
    with pytest.raises(InvalidInput) as refusal:
        await env.change(owned, password, current="a guess")

    assert refusal.value.field == "new_password"
    assert env.passwords.verified == []


async def test_session_that_ended_meanwhile_cannot_change_the_password(env, owned):
    env.passwords = InterruptedPasswords(lambda: env.end(env.caller(owned)))
    other = await env.log_in()
    with pytest.raises(TokenInvalid):
        await env.change(owned, NEW)

    assert await env.log_in(PASSWORD)
    assert await is_live(env, other)


@pytest.mark.parametrize("how", ["ended", "expired"])
async def test_ended_or_expired_session_cannot_change_the_password(env, owned, how):
    caller = env.caller(owned)
    if how == "ended":
        await env.end(caller)
    else:
        env.now += SESSION_LIFE
    env.caller = lambda _: caller
    with pytest.raises(TokenInvalid):
        await env.change(owned, NEW, current=PASSWORD)

    assert await env.log_in(PASSWORD)


async def test_concurrent_change_refuses_the_later_one(env, owned):
    env.passwords = InterruptedPasswords(lambda: env.change(owned, NEW))
    with pytest.raises(CredentialsInvalid):
        await env.change(owned, "another new password")

    assert await env.log_in(NEW)
