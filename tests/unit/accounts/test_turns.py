import pytest

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.errors import TooManyRequests
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment


class Noting:
    """A throttle that lets all in and notes what it was asked."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float, float]] = []

    async def take(self, key: str, *, limit: int, per: float) -> float:
        self.taken.append((key, limit, per))
        return 0.0


def turns(
    env: AccountsEnvironment, *, rate_limiter=None, key: bytes = b"a key", attempts: int = 3
) -> IdentityRateLimits:
    return IdentityRateLimits(
        rate_limiter=rate_limiter or env.rate_limiter, key=key, audit=env.audit, attempts_per_hour=attempts
    )


async def test_turn_beyond_the_limit_waits_until_the_first_is_over(env):
    made = turns(env)
    await made.take("a use", MIRA, limit=2, per=60)
    env.advance(seconds=20)
    await made.take("a use", MIRA, limit=2, per=60)
    with pytest.raises(TooManyRequests) as refusal:
        await made.take("a use", MIRA, limit=2, per=60)
    assert refusal.value.retry_after == 40

    env.advance(seconds=40)
    await made.take("a use", MIRA, limit=2, per=60)


async def test_refusal_is_noted_with_its_use_and_a_turn_is_not(env):
    made = turns(env)
    await made.take("a use", MIRA, limit=1, per=60)
    assert env.audit.notes == []
    with pytest.raises(TooManyRequests):
        await made.take("a use", MIRA, limit=1, per=60)

    assert env.audit.notes == [AuditNote(AuditEvent.THROTTLED, identity=MIRA, how="a use")]


async def test_uses_and_identities_wait_each_for_itself(env):
    made = turns(env)
    for use in ("a use", "another"):
        for identity in (MIRA, RAVI, Identity(IdentityKind.MOBILE_NUMBER, MIRA.value)):
            await made.take(use, identity, limit=1, per=60)


async def test_throttle_sees_no_identity_and_another_name_under_another_key(env):
    noting = Noting()
    await turns(env, rate_limiter=noting).take("a use", MIRA, limit=1, per=60)
    await turns(env, rate_limiter=noting, key=b"another key").take("a use", MIRA, limit=1, per=60)

    keys = [key for key, _, _ in noting.taken]
    assert len(set(keys)) == 2
    assert all(key.startswith("a use:") and "mira" not in key for key in keys)


def test_key_is_not_in_the_repr(env):
    assert "a key" not in repr(turns(env))


async def test_attempts_are_bounded_by_the_hour(env):
    made = turns(env, attempts=3)
    for _ in range(3):
        await made.attempt("password", MIRA)
        env.advance(minutes=10)
    with pytest.raises(TooManyRequests) as refusal:
        await made.attempt("password", MIRA)

    assert refusal.value.retry_after == 30 * 60


async def test_attempts_without_a_limit_ask_no_throttle(env):
    noting = Noting()
    made = turns(env, rate_limiter=noting, attempts=0)
    for _ in range(200):
        await made.attempt("password", MIRA)

    assert noting.taken == []


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_guesses_at_a_password_are_bounded_and_then_not_even_verified(env, known):
    if known:
        await env.sign_in(signup_token=await env.sign_up())
    for _ in range(10):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess")
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)

    assert len(env.passwords.verified) == 10
    assert env.audit.events[-1] is AuditEvent.THROTTLED


async def test_owner_whose_password_is_being_guessed_still_signs_in_by_code(env):
    await env.sign_in(signup_token=await env.sign_up())
    env.advance(minutes=2)
    for _ in range(11):
        with pytest.raises((CredentialsInvalid, TooManyRequests)):
            await env.log_in("a guess")

    assert await env.sign_in()


async def test_signups_for_one_identity_are_bounded_before_anything_is_hashed(env):
    for _ in range(10):
        await env.sign_up()
    with pytest.raises(TooManyRequests):
        await env.sign_up()

    assert env.passwords.hashed == 10
    assert await env.sign_up(RAVI)
    with pytest.raises(CredentialsInvalid):
        await env.log_in()
