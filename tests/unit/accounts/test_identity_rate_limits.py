import pytest

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.errors import TooManyRequests
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment


class RecordingRateLimiter:
    """Accepts everything and records the calls."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float, float]] = []

    async def take(self, key: str, *, limit: int, per: float) -> float:
        self.taken.append((key, limit, per))
        return 0.0


def limits_of(
    env: AccountsEnvironment, *, rate_limiter=None, key: bytes = b"a key", attempts: int = 3
) -> IdentityRateLimits:
    return IdentityRateLimits(
        rate_limiter=rate_limiter or env.rate_limiter, key=key, audit=env.audit, attempts_per_hour=attempts
    )


async def test_use_beyond_the_limit_waits_until_the_first_has_expired(env):
    limits = limits_of(env)
    await limits.take("a use", MIRA, limit=2, per=60)
    env.advance(seconds=20)
    await limits.take("a use", MIRA, limit=2, per=60)
    with pytest.raises(TooManyRequests) as refusal:
        await limits.take("a use", MIRA, limit=2, per=60)
    assert refusal.value.retry_after == 40

    env.advance(seconds=40)
    await limits.take("a use", MIRA, limit=2, per=60)


async def test_only_refusals_are_noted(env):
    limits = limits_of(env)
    await limits.take("a use", MIRA, limit=1, per=60)
    assert env.audit.notes == []
    with pytest.raises(TooManyRequests):
        await limits.take("a use", MIRA, limit=1, per=60)

    assert env.audit.notes == [AuditNote(AuditEvent.THROTTLED, identity=MIRA, how="a use")]


async def test_limits_of_uses_and_identities_are_separate(env):
    limits = limits_of(env)
    for use in ("a use", "another"):
        for identity in (MIRA, RAVI, Identity(IdentityKind.MOBILE_NUMBER, MIRA.value)):
            await limits.take(use, identity, limit=1, per=60)


async def test_rate_limiter_keys_hide_the_identity_and_depend_on_the_key(env):
    recording = RecordingRateLimiter()
    await limits_of(env, rate_limiter=recording).take("a use", MIRA, limit=1, per=60)
    await limits_of(env, rate_limiter=recording, key=b"another key").take("a use", MIRA, limit=1, per=60)

    keys = [key for key, _, _ in recording.taken]
    assert len(set(keys)) == 2
    assert all(key.startswith("a use:") and "mira" not in key for key in keys)


def test_key_is_not_in_the_repr(env):
    assert "a key" not in repr(limits_of(env))


async def test_attempts_are_limited_per_hour(env):
    limits = limits_of(env, attempts=3)
    for _ in range(3):
        await limits.attempt("password", MIRA)
        env.advance(minutes=10)
    with pytest.raises(TooManyRequests) as refusal:
        await limits.attempt("password", MIRA)

    assert refusal.value.retry_after == 30 * 60


async def test_attempts_without_a_limit_do_not_use_the_rate_limiter(env):
    recording = RecordingRateLimiter()
    limits = limits_of(env, rate_limiter=recording, attempts=0)
    for _ in range(200):
        await limits.attempt("password", MIRA)

    assert recording.taken == []


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_password_guesses_beyond_the_limit_are_not_verified(env, known):
    if known:
        await env.sign_in(signup_token=await env.sign_up())
    for _ in range(10):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess")
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)

    assert len(env.passwords.verified) == 10
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
