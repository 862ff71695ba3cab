from datetime import timedelta

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid, TokenInvalid
from parley.core.accounts.model import AuditEvent, Purpose, SignedIn, TokenPair
from parley.core.errors import InvalidInput, TooManyRequests
from tests.unit.accounts.desk import MIRA, PASSWORD, RAVI, SESSION_LIFE, Desk, outcomes, wrong_code
from tests.unit.accounts.outer_world import QuickPasswords

NEW = "the new password of Mira"


@pytest.fixture
async def owned(desk: Desk) -> SignedIn:
    """A session just opened by a code, of an account with a PASSWORD. The list of what ended is fresh."""
    await desk.revocations.refresh(desk.now)
    return await desk.sign_in(signup_token=await desk.sign_up())


async def reset_code(desk: Desk) -> str:
    return await desk.send(MIRA, Purpose.RESET)


async def is_live(desk: Desk, pair: TokenPair) -> bool:
    """Whether its session is; of one that is over nothing is worth anything."""
    session_id = desk.caller(pair).session_id
    async with desk.uow(read_only=True) as unit:
        revocations = await unit.revocations.has(session_id)
    if not revocations:
        await desk.revocations.check(session_id)
        await desk.refresh(pair.refresh_token)
        return True
    with pytest.raises(TokenInvalid):
        await desk.revocations.check(session_id)
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(pair.refresh_token)
    return False


class Meanwhile(QuickPasswords):
    """While the first password is hashed, something happens."""

    def __init__(self, happen) -> None:
        super().__init__()
        self._happen = happen

    async def hash(self, password: str) -> str:
        happen, self._happen = self._happen, None
        if happen:
            await happen()
        return await super().hash(password)


async def test_reset_sets_the_password_and_ends_every_session(desk, owned):
    others = [await desk.log_in(), await desk.sign_in(RAVI)]
    await desk.reset(await reset_code(desk), NEW)

    assert [await is_live(desk, pair) for pair in (owned, *others)] == [False, False, True]
    with pytest.raises(CredentialsInvalid):
        await desk.log_in(PASSWORD)
    assert (await desk.log_in(NEW)).account.id == owned.account.id


async def test_reset_gives_a_password_to_an_account_without_one(desk):
    await desk.sign_in()
    await desk.reset(await reset_code(desk), NEW)

    assert await desk.log_in(NEW)


async def test_of_50_parallel_resets_with_one_code_one_succeeds(desk, owned):
    code = await reset_code(desk)
    done, refused = await outcomes(desk.reset(code, f"{NEW} {number}") for number in range(50))

    assert len(done) == 1
    assert {type(refusal) for refusal in refused} == {OtpInvalid}
    assert desk.audit.happenings.count(AuditEvent.PASSWORD_RESET) == 1
    assert desk.audit.happenings.count(AuditEvent.RESET_FAILED) == 49


async def test_wrong_code_resets_nothing_and_counts(desk, owned):
    code = await reset_code(desk)
    for _ in range(5):
        with pytest.raises(OtpInvalid):
            await desk.reset(wrong_code(code), NEW)
    with pytest.raises(OtpInvalid):
        await desk.reset(code, NEW)

    assert await desk.log_in(PASSWORD)
    assert await is_live(desk, owned)


async def test_sign_in_code_is_worth_nothing_for_a_reset_and_the_other_way_round(desk, owned):
    desk.later(minutes=2)
    sign_in, reset = await desk.send(), await reset_code(desk)
    with pytest.raises(OtpInvalid):
        await desk.reset(sign_in, NEW)
    with pytest.raises(OtpInvalid):
        await desk.verify(reset)

    assert await desk.verify(sign_in)
    await desk.reset(reset, NEW)


@pytest.mark.parametrize("password", ["short", "password1", "mira@example.com", "p" * 129])
async def test_refused_password_leaves_the_code_good(desk, owned, password):
    code = await reset_code(desk)
    for _ in range(9):
        with pytest.raises(InvalidInput) as refusal:
            await desk.reset(code, password)
        assert refusal.value.field == "new_password"

    await desk.reset(code, NEW)


async def test_reset_of_an_unknown_identity_is_refused_as_a_wrong_code_is(desk):
    desk.post = None
    code = (await desk.ask(MIRA, Purpose.RESET)).shown_code
    for _ in range(2):
        with pytest.raises(OtpInvalid):
            await desk.reset(code, NEW)

    assert await desk.account() is None
    assert desk.audit.happenings[1:] == [AuditEvent.RESET_FAILED] * 2
    async with desk.uow() as unit:
        assert await unit.challenges.count_try(MIRA, Purpose.RESET, limit=5, now=desk.now) is None


async def test_change_with_the_current_password_ends_the_other_sessions(desk, owned):
    this, other, ravis = await desk.log_in(), await desk.log_in(), await desk.sign_in(RAVI)
    await desk.change(this, NEW, current=PASSWORD)

    assert [await is_live(desk, pair) for pair in (this, owned, other, ravis)] == [True, False, False, True]
    with pytest.raises(CredentialsInvalid):
        await desk.log_in(PASSWORD)
    assert await desk.log_in(NEW)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=9, seconds=59), timedelta(minutes=10)])
async def test_session_that_a_code_opened_just_now_needs_no_current_password(desk, owned, age):
    desk.now += age
    await desk.change(owned, NEW)

    assert await desk.log_in(NEW)


async def test_session_that_a_code_opened_longer_ago_needs_the_current_password(desk, owned):
    desk.later(minutes=9)
    refreshed = await desk.refresh(owned.refresh_token)
    desk.later(minutes=1, seconds=1)
    with pytest.raises(InvalidInput) as refusal:
        await desk.change(refreshed, NEW)

    assert refusal.value.field == "current_password"
    assert await desk.log_in(PASSWORD)
    await desk.change(refreshed, NEW, current=PASSWORD)


async def test_session_that_a_password_opened_needs_the_current_password(desk, owned):
    with pytest.raises(InvalidInput) as refusal:
        await desk.change(await desk.log_in(), NEW)

    assert refusal.value.field == "current_password"
    assert await desk.log_in(PASSWORD)


async def test_wrong_current_password_changes_nothing_and_is_counted_with_the_logins(desk, owned):
    for _ in range(10):
        with pytest.raises(CredentialsInvalid):
            await desk.change(owned, NEW, current=PASSWORD + "r")
    with pytest.raises(TooManyRequests):
        await desk.change(owned, NEW, current=PASSWORD)
    with pytest.raises(TooManyRequests):
        await desk.log_in()

    assert desk.audit.happenings.count(AuditEvent.CHANGE_FAILED) == 10
    desk.later(hours=1)
    assert await desk.log_in(PASSWORD)


async def test_account_without_a_password_gets_its_first_one(desk):
    signed_in = await desk.sign_in()
    with pytest.raises(CredentialsInvalid):
        await desk.change(signed_in, NEW, current="")
    await desk.change(signed_in, NEW)

    assert await desk.log_in(NEW)
    assert await is_live(desk, signed_in)


@pytest.mark.parametrize("password", ["short", "iloveyou", "mira@example.com"])
async def test_refused_password_changes_nothing_and_no_current_one_is_tried(desk, owned, password):
    with pytest.raises(InvalidInput) as refusal:
        await desk.change(owned, password, current="a guess")

    assert refusal.value.field == "new_password"
    assert desk.passwords.verified == []


async def test_session_that_ended_meanwhile_changes_nothing(desk, owned):
    desk.passwords = Meanwhile(lambda: desk.end(desk.caller(owned)))
    other = await desk.log_in()
    with pytest.raises(TokenInvalid):
        await desk.change(owned, NEW)

    assert await desk.log_in(PASSWORD)
    assert await is_live(desk, other)


@pytest.mark.parametrize("how", ["ended", "expired"])
async def test_session_that_is_over_changes_nothing(desk, owned, how):
    caller = desk.caller(owned)
    if how == "ended":
        await desk.end(caller)
    else:
        desk.now += SESSION_LIFE
    desk.caller = lambda _: caller
    with pytest.raises(TokenInvalid):
        await desk.change(owned, NEW, current=PASSWORD)

    assert await desk.log_in(PASSWORD)


async def test_password_that_was_changed_meanwhile_is_not_changed_again(desk, owned):
    desk.passwords = Meanwhile(lambda: desk.change(owned, NEW))
    with pytest.raises(CredentialsInvalid):
        await desk.change(owned, "another new password")

    assert await desk.log_in(NEW)
