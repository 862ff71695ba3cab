import pytest

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.identity_rate_limits import IdentityRateLimits
from parley.core.accounts.model import AuditEvent
from parley.core.errors import TooManyRequests
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment


def limits_of(env: AccountsEnvironment, *, key: bytes = b"a key", attempts: int = 3) -> IdentityRateLimits:
    return IdentityRateLimits(rate_limiter=env.rate_limiter, key=key, audit=env.audit, attempts_per_hour=attempts)


async def test_refused_use_counts_for_no_limit_and_is_noted(env):
    limits = limits_of(env)
    narrow, wide = (limits.use("a use", scope, limit=limit, per=60) for scope, limit in (("one", 1), ("all", 2)))
    await limits.take("a use", MIRA, narrow, wide)
    assert env.audit.notes == []
    for _ in range(5):
        with pytest.raises(TooManyRequests) as refusal:
            await limits.take("a use", MIRA, narrow, wide)

    assert refusal.value.retry_after == 60
    assert env.audit.notes == [AuditNote(AuditEvent.THROTTLED, identity=MIRA, how="a use")] * 5
    await limits.take("a use", MIRA, wide)


async def test_use_that_was_given_back_does_not_count(env):
    limits = limits_of(env)
    use = limits.use("a use", "one", limit=1, per=60)
    for _ in range(3):
        await limits.take("a use", MIRA, use)
        await limits.give_back(use)


def test_rate_limiter_keys_hide_who_it_is_and_depend_on_the_key(env):
    keys = [limits_of(env, key=key).use("a use", str(MIRA), limit=1, per=1).key for key in (b"a key", b"another")]

    assert len(set(keys)) == 2
    assert all(key.startswith("a use:") and "mira" not in key for key in keys)


def test_key_is_not_in_the_repr(env):
    assert "a key" not in repr(limits_of(env))


def test_attempts_without_a_limit_do_not_use_the_rate_limiter(env):
    assert limits_of(env, attempts=0).attempts("password", MIRA, "a source") == []


async def test_password_attempts_are_limited_per_hour_successful_ones_too(env):
    await env.sign_in(signup_token=await env.sign_up())
    for _ in range(10):
        await env.log_in()
    with pytest.raises(TooManyRequests) as refusal:
        await env.log_in()

    assert refusal.value.retry_after == 3600
    assert len(env.passwords.verified) == 10


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_password_guesses_are_not_verified_while_they_are_delayed(env, known):
    if known:
        await env.sign_in(signup_token=await env.sign_up())
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess")
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)

    assert len(env.passwords.verified) == 5
    assert env.audit.events[-1] is AuditEvent.THROTTLED


async def test_sign_in_by_code_works_while_the_password_is_being_guessed(env):
    await env.sign_in(signup_token=await env.sign_up())
    env.advance(minutes=2)
    for _ in range(11):
        with pytest.raises((CredentialsInvalid, TooManyRequests)):
            await env.log_in("a guess")

    assert await env.sign_in()


async def test_signups_of_one_identity_are_limited_before_hashing(env):
    for _ in range(10):
        await env.sign_up()
    with pytest.raises(TooManyRequests):
        await env.sign_up()

    assert env.passwords.hashed == 10
    assert await env.sign_up(RAVI)
    with pytest.raises(CredentialsInvalid):
        await env.log_in()
