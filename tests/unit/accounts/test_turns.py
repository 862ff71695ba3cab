import pytest

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.errors import TooManyRequests
from tests.unit.accounts.desk import MIRA, PASSWORD, RAVI, Desk
from tests.unit.accounts.outer_world import Note


class Noting:
    """A throttle that lets all in and notes what it was asked."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float, float]] = []

    async def take(self, key: str, *, limit: int, per: float) -> float:
        self.taken.append((key, limit, per))
        return 0.0


def turns(desk: Desk, *, rate_limiter=None, key: bytes = b"a key", attempts: int = 3) -> IdentityRateLimits:
    return IdentityRateLimits(
        rate_limiter=rate_limiter or desk.rate_limiter, key=key, audit=desk.audit, attempts_per_hour=attempts
    )


async def test_turn_beyond_the_limit_waits_until_the_first_is_over(desk):
    made = turns(desk)
    await made.take("a use", MIRA, limit=2, per=60)
    desk.later(seconds=20)
    await made.take("a use", MIRA, limit=2, per=60)
    with pytest.raises(TooManyRequests) as refusal:
        await made.take("a use", MIRA, limit=2, per=60)
    assert refusal.value.retry_after == 40

    desk.later(seconds=40)
    await made.take("a use", MIRA, limit=2, per=60)


async def test_refusal_is_noted_with_its_use_and_a_turn_is_not(desk):
    made = turns(desk)
    await made.take("a use", MIRA, limit=1, per=60)
    assert desk.audit.notes == []
    with pytest.raises(TooManyRequests):
        await made.take("a use", MIRA, limit=1, per=60)

    assert desk.audit.notes == [Note(AuditEvent.THROTTLED, identity=MIRA, how="a use")]


async def test_uses_and_identities_wait_each_for_itself(desk):
    made = turns(desk)
    for use in ("a use", "another"):
        for identity in (MIRA, RAVI, Identity(IdentityKind.MOBILE_NUMBER, MIRA.value)):
            await made.take(use, identity, limit=1, per=60)


async def test_throttle_sees_no_identity_and_another_name_under_another_key(desk):
    noting = Noting()
    await turns(desk, rate_limiter=noting).take("a use", MIRA, limit=1, per=60)
    await turns(desk, rate_limiter=noting, key=b"another key").take("a use", MIRA, limit=1, per=60)

    keys = [key for key, _, _ in noting.taken]
    assert len(set(keys)) == 2
    assert all(key.startswith("a use:") and "mira" not in key for key in keys)


def test_key_is_not_in_the_repr(desk):
    assert "a key" not in repr(turns(desk))


async def test_attempts_are_bounded_by_the_hour(desk):
    made = turns(desk, attempts=3)
    for _ in range(3):
        await made.attempt("password", MIRA)
        desk.later(minutes=10)
    with pytest.raises(TooManyRequests) as refusal:
        await made.attempt("password", MIRA)

    assert refusal.value.retry_after == 30 * 60


async def test_attempts_without_a_limit_ask_no_throttle(desk):
    noting = Noting()
    made = turns(desk, rate_limiter=noting, attempts=0)
    for _ in range(200):
        await made.attempt("password", MIRA)

    assert noting.taken == []


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_guesses_at_a_password_are_bounded_and_then_not_even_verified(desk, known):
    if known:
        await desk.sign_in(signup_token=await desk.sign_up())
    for _ in range(10):
        with pytest.raises(CredentialsInvalid):
            await desk.log_in("a guess")
    with pytest.raises(TooManyRequests):
        await desk.log_in(PASSWORD)

    assert len(desk.passwords.verified) == 10
    assert desk.audit.happenings[-1] is AuditEvent.THROTTLED


async def test_owner_whose_password_is_being_guessed_still_signs_in_by_code(desk):
    await desk.sign_in(signup_token=await desk.sign_up())
    desk.later(minutes=2)
    for _ in range(11):
        with pytest.raises((CredentialsInvalid, TooManyRequests)):
            await desk.log_in("a guess")

    assert await desk.sign_in()


async def test_signups_for_one_identity_are_bounded_before_anything_is_hashed(desk):
    for _ in range(10):
        await desk.sign_up()
    with pytest.raises(TooManyRequests):
        await desk.sign_up()

    assert desk.passwords.hashed == 10
    assert await desk.sign_up(RAVI)
    with pytest.raises(CredentialsInvalid):
        await desk.log_in()
