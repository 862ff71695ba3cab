from uuid import UUID

import pytest

from parley.core.accounts.errors import RefreshTokenInvalid, SessionNotFound, TokenInvalid
from parley.core.accounts.sessions import read_sessions
from tests.unit.accounts.desk import RAVI, SESSION_LIFE, Desk


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


async def test_reuse_revokes_the_access_tokens_of_its_session_at_once(desk, first):
    session_id = desk.caller(await desk.refresh(first)).session_id
    desk.later(minutes=1)
    await desk.revocations.refresh(desk.now)
    await desk.revocations.check(session_id)
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)

    with pytest.raises(TokenInvalid):
        await desk.revocations.check(session_id)
    async with desk.uow(read_only=True) as unit:
        assert await unit.revocations.has(session_id)


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


async def test_session_is_ended_once_and_only_by_its_own_account(desk, first):
    caller = desk.caller(await desk.refresh(first))
    stranger = desk.caller(await desk.sign_in(RAVI))
    with pytest.raises(SessionNotFound):
        await desk.end(stranger, caller.session_id)
    assert await desk.refresh(first)

    await desk.end(caller)
    for session_id in (caller.session_id, UUID(int=404)):
        with pytest.raises(SessionNotFound):
            await desk.end(caller, session_id)
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(first)


async def test_expired_session_is_not_there_to_be_ended(desk, first):
    caller = desk.caller(await desk.refresh(first))
    desk.now += SESSION_LIFE
    with pytest.raises(SessionNotFound):
        await desk.end(caller)


async def test_sessions_are_read_page_by_page_newest_first(desk):
    signed_in = [await desk.sign_in(signup_token=await desk.sign_up())]
    signed_in += [await desk.log_in() for _ in range(3)]
    await desk.sign_in(RAVI)
    ids = [desk.caller(pair).session_id for pair in signed_in]
    await desk.end(desk.caller(signed_in[1]))

    async def page(before, limit):
        account_id = signed_in[0].account.id
        found, following = await read_sessions(
            uow=desk.uow, account_id=account_id, before=before, limit=limit, now=desk.now
        )
        return [session.id for session in found], following

    assert await page(None, 2) == ([ids[3], ids[2]], ids[2])
    assert await page(ids[2], 2) == ([ids[0]], None)
    assert await page(None, 3) == ([ids[3], ids[2], ids[0]], None)


async def test_device_of_a_session_is_cut_and_made_storable(desk):
    desk.user_agent = "a phone\x00" + "x" * 400
    caller = desk.caller(await desk.sign_in())

    async with desk.uow(read_only=True) as unit:
        device = (await unit.sessions.get(caller.session_id)).user_agent
    assert len(device) == 300
    assert device.startswith("a phone")
    assert "\x00" not in device
