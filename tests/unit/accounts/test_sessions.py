import pytest

from parley.core.accounts.errors import OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import token_hash
from parley.core.accounts.sessions import forget_expired
from tests.unit.accounts.desk import SESSION_LIFE, Desk


@pytest.fixture
async def first(desk: Desk) -> str:
    """The refresh token of a session just opened."""
    return (await desk.sign_in()).refresh_token


async def test_refresh_gives_the_next_pair_of_the_same_session(desk, first):
    desk.later(minutes=10)
    second = await desk.refresh(first)
    third = await desk.refresh(second.refresh_token)

    assert len({first, second.refresh_token, third.refresh_token}) == 3
    assert second.expires_in == 15 * 60
    desk.later(minutes=14)
    assert desk.access_tokens.read(second.access_token, desk.now) == desk.access_tokens.read(
        third.access_token, desk.now
    )


async def test_refresh_tokens_have_enough_random_bits_for_their_length(desk, first):
    # 256 bits in the URL-safe alphabet; the first token's are the injected generator's business.
    assert len((await desk.refresh(first)).refresh_token) == 43


async def test_parent_within_the_grace_gets_the_very_same_child(desk, first):
    child = (await desk.refresh(first)).refresh_token
    desk.later(seconds=10)

    assert (await desk.refresh(first)).refresh_token == child
    assert (await desk.refresh(child)).refresh_token != child


async def test_parent_after_the_grace_ends_the_session(desk, first):
    child = (await desk.refresh(first)).refresh_token
    desk.later(seconds=10.001)

    for token in (first, child, first):
        with pytest.raises(RefreshTokenInvalid):
            await desk.refresh(token)


async def test_parent_whose_child_was_used_ends_the_session(desk, first):
    child = (await desk.refresh(first)).refresh_token
    grandchild = (await desk.refresh(child)).refresh_token

    for token in (first, child, grandchild):
        with pytest.raises(RefreshTokenInvalid):
            await desk.refresh(token)


async def test_reuse_ends_no_other_session(desk, first):
    desk.later(minutes=2)
    other = (await desk.sign_in()).refresh_token
    await desk.refresh(first)
    desk.later(minutes=2)
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)

    assert await desk.refresh(other)


async def test_grace_outlives_a_change_of_keys(desk, first):
    child = (await desk.refresh(first)).refresh_token
    desk.keys = [b"a newer key", *desk.keys]

    assert (await desk.refresh(first)).refresh_token == child


@pytest.mark.parametrize("token", ["never issued", "", "\ud800"], ids=["unknown", "empty", "unreadable"])
async def test_unknown_token_is_refused_and_ends_nothing(desk, first, token):
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(token)

    assert await desk.refresh(first)


async def test_session_expires_when_it_is_not_refreshed(desk, first):
    desk.now += SESSION_LIFE

    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)


async def test_each_refresh_puts_the_expiry_off(desk, first):
    desk.later(days=29)
    second = await desk.refresh(first)
    desk.later(days=29)

    assert await desk.refresh(second.refresh_token)


async def test_expired_codes_and_signups_are_forgotten(desk):
    signup_token = await desk.sign_up()
    code = await desk.send()
    desk.later(seconds=599)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 0
    desk.later(seconds=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 1
    desk.later(hours=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 1

    with pytest.raises(OtpInvalid):
        await desk.verify(code)
    async with desk.uow(read_only=True) as unit:
        assert await unit.signups.get(token_hash(signup_token)) is None


async def test_session_is_forgotten_a_day_after_it_ended(desk, first):
    child = (await desk.refresh(first)).refresh_token
    desk.later(minutes=11)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 1  # the code
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)

    desk.later(days=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 0
    desk.later(seconds=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 1
    async with desk.uow(read_only=True) as unit:
        assert await unit.sessions.token(token_hash(child)) is None


async def test_session_is_forgotten_a_day_after_it_expired(desk, first):
    await forget_expired(uow=desk.uow, now=desk.now + SESSION_LIFE)

    desk.now += SESSION_LIFE
    desk.later(days=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 0
    desk.later(seconds=1)
    assert await forget_expired(uow=desk.uow, now=desk.now) == 1
