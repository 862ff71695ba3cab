from datetime import timedelta
from uuid import UUID

import pytest

from parley.core.accounts.errors import RefreshTokenInvalid, SessionNotFound, TokenInvalid
from parley.core.accounts.model import AuditEvent, RefreshToken, Session, token_hash
from parley.core.accounts.sessions import forget_expired, log_out, read_sessions
from tests.unit.accounts.environment import RAVI, SESSION_LIFE, AccountsEnvironment

# An account that is not suspended, in checks of a session.
NOBODY = UUID(int=0)


@pytest.fixture
async def first(env: AccountsEnvironment) -> str:
    """The refresh token of a new session."""
    return (await env.sign_in()).refresh_token


async def test_refresh_returns_the_next_pair_of_the_same_session(env, first):
    env.advance(minutes=10)
    second = await env.refresh(first)
    third = await env.refresh(second.refresh_token)

    assert len({first, second.refresh_token, third.refresh_token}) == 3
    assert second.expires_in == 15 * 60
    env.advance(minutes=14)
    assert env.access_tokens.read(second.access_token, env.now) == env.access_tokens.read(third.access_token, env.now)


async def test_derived_refresh_token_has_256_bits(env, first):
    # 43 characters of the URL-safe alphabet, between the session's id and the signature. The secret of the first token
    # comes from the `new_token` port.
    second = (await env.refresh(first)).refresh_token
    assert len(second) == 22 + 43 + 22
    assert second[:22] == first[:22]
    assert second[22:65] != first[22:65]


async def test_rows_of_used_tokens_do_not_accumulate(env, database, first):
    token = first
    for _ in range(20):
        token = (await env.refresh(token)).refresh_token
        env.advance(seconds=11)

    # The last one, and the one before it.
    assert len(database.committed.refresh_tokens) == 2


@pytest.mark.parametrize("rotated", [False, True])
async def test_reuse_of_a_token_whose_row_is_gone_ends_the_session(env, database, first, rotated):
    second = (await env.refresh(first)).refresh_token
    env.advance(seconds=11)
    third = (await env.refresh(second)).refresh_token
    assert token_hash(first) not in database.committed.refresh_tokens
    if rotated:
        env.keys = [b"a newer key", *env.keys]

    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)
    assert env.audit.events[-1] is AuditEvent.TOKEN_REUSED
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(third)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)
    assert env.audit.events[-1] is AuditEvent.REFRESH_FAILED


async def test_forged_token_of_a_session_ends_nothing(env, first):
    second = (await env.refresh(first)).refresh_token
    for forged in (first[:22] + "x" * 65, "x" * 22 + first[22:], first[:-1] + ("A" if first[-1] != "A" else "Q")):
        with pytest.raises(RefreshTokenInvalid):
            await env.refresh(forged)

    assert await env.refresh(second)


async def test_token_of_an_earlier_release_is_exchanged(env, first):
    session_id = env.caller(await env.refresh(first)).session_id
    async with env.uow() as unit:
        await unit.sessions.add_token(RefreshToken(token_hash("an opaque token"), session_id, issued_at=env.now))
        await unit.commit()
    child = (await env.refresh("an opaque token")).refresh_token

    assert await env.refresh(child)


async def test_repeat_within_the_grace_returns_the_same_token(env, first):
    child = (await env.refresh(first)).refresh_token
    env.advance(seconds=10)

    assert (await env.refresh(first)).refresh_token == child
    assert (await env.refresh(child)).refresh_token != child


async def test_reuse_after_the_grace_ends_the_session(env, first):
    child = (await env.refresh(first)).refresh_token
    env.advance(seconds=10.001)

    for token in (first, child, first):
        with pytest.raises(RefreshTokenInvalid):
            await env.refresh(token)


async def test_reuse_after_the_next_token_was_used_ends_the_session(env, first):
    child = (await env.refresh(first)).refresh_token
    grandchild = (await env.refresh(child)).refresh_token

    for token in (first, child, grandchild):
        with pytest.raises(RefreshTokenInvalid):
            await env.refresh(token)


async def test_reuse_revokes_the_access_tokens_of_its_session_at_once(env, first):
    session_id = env.caller(await env.refresh(first)).session_id
    env.advance(minutes=1)
    await env.revocations.refresh(env.now)
    await env.revocations.check(session_id, NOBODY)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)

    with pytest.raises(TokenInvalid):
        await env.revocations.check(session_id, NOBODY)
    async with env.uow(read_only=True) as unit:
        assert await unit.revocations.has(session_id)


async def test_reuse_ends_no_other_session(env, first):
    env.advance(minutes=2)
    other = (await env.sign_in()).refresh_token
    await env.refresh(first)
    env.advance(minutes=2)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)

    assert await env.refresh(other)


async def test_repeat_works_after_a_key_rotation(env, first):
    child = (await env.refresh(first)).refresh_token
    env.keys = [b"a newer key", *env.keys]

    assert (await env.refresh(first)).refresh_token == child


@pytest.mark.parametrize("token", ["never issued", "", "\ud800"], ids=["unknown", "empty", "unreadable"])
async def test_unknown_token_is_refused_and_ends_nothing(env, first, token):
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(token)

    assert await env.refresh(first)


async def test_session_expires_when_it_is_not_refreshed(env, first):
    env.now += SESSION_LIFE

    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)


async def test_each_refresh_extends_the_expiry(env, first):
    env.advance(days=29)
    second = await env.refresh(first)
    env.advance(days=29)

    assert await env.refresh(second.refresh_token)


async def test_session_is_ended_once_and_only_by_its_own_account(env, first):
    caller = env.caller(await env.refresh(first))
    stranger = env.caller(await env.sign_in(RAVI))
    with pytest.raises(SessionNotFound):
        await env.end(stranger, caller.session_id)
    assert await env.refresh(first)

    await env.end(caller)
    for session_id in (caller.session_id, UUID(int=404)):
        with pytest.raises(SessionNotFound):
            await env.end(caller, session_id)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(first)


async def test_expired_session_is_not_found(env, first):
    caller = env.caller(await env.refresh(first))
    env.now += SESSION_LIFE
    with pytest.raises(SessionNotFound):
        await env.end(caller)


async def test_sessions_are_read_page_by_page_newest_first(env):
    signed_in = [await env.sign_in(signup_token=await env.sign_up())]
    signed_in += [await env.log_in() for _ in range(3)]
    await env.sign_in(RAVI)
    ids = [env.caller(pair).session_id for pair in signed_in]
    await env.end(env.caller(signed_in[1]))

    async def page(before, limit):
        account_id = signed_in[0].account.id
        found, following = await read_sessions(env.ports, account_id=account_id, before=before, limit=limit)
        return [session.id for session in found], following

    assert await page(None, 2) == ([ids[3], ids[2]], ids[2])
    assert await page(ids[2], 2) == ([ids[0]], None)
    assert await page(None, 3) == ([ids[3], ids[2], ids[0]], None)


async def test_user_agent_is_truncated_and_made_storable(env):
    env.user_agent = "a phone\x00" + "x" * 400
    caller = env.caller(await env.sign_in())

    async with env.uow(read_only=True) as unit:
        device = (await unit.sessions.get(caller.session_id)).user_agent
    assert len(device) == 300
    assert device.startswith("a phone")
    assert "\x00" not in device


async def listed(env: AccountsEnvironment, account_id: UUID) -> list[Session]:
    return (await read_sessions(env.ports, account_id=account_id, before=None, limit=9))[0]


async def test_session_ends_at_its_largest_age_however_often_it_is_refreshed(env, first):
    env.session_max_age = timedelta(days=40)
    env.advance(days=29)
    second = (await env.refresh(first)).refresh_token
    env.advance(days=10, hours=23)
    third = await env.refresh(second)
    account_id = env.caller(third).account_id
    assert [session.expires_at - env.now for session in await listed(env, account_id)] == [timedelta(hours=1)]

    env.advance(hours=1)
    assert await listed(env, account_id) == []
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(third.refresh_token)


async def test_new_session_lives_no_longer_than_its_largest_age(env):
    env.session_max_age = timedelta(days=7)
    signed_in = await env.sign_in()

    assert [session.expires_at - env.now for session in await listed(env, signed_in.account.id)] == [timedelta(days=7)]


async def test_session_older_than_a_lowered_maximum_ends_at_its_next_refresh(env, first):
    env.advance(days=20)
    second = await env.refresh(first)
    env.session_max_age = timedelta(days=10)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(second.refresh_token)

    assert await listed(env, env.caller(second).account_id) == []
    env.session_max_age = timedelta(days=365)
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(second.refresh_token)


async def test_log_out_ends_the_session_and_revokes_its_tokens(env):
    signed_in = await env.sign_in()
    caller = env.caller(signed_in)
    await log_out(env.ports, caller=caller)

    assert await listed(env, signed_in.account.id) == []
    with pytest.raises(RefreshTokenInvalid):
        await env.refresh(signed_in.refresh_token)
    with pytest.raises(TokenInvalid):
        await env.revocations.check(caller.session_id, caller.account_id)


@pytest.mark.parametrize("forgotten", [False, True])
async def test_log_out_revokes_tokens_of_a_session_that_has_expired(env, forgotten):
    await env.revocations.refresh(env.now)
    caller = env.caller(await env.sign_in())
    env.now += SESSION_LIFE + timedelta(days=2)
    if forgotten:
        await forget_expired(env.ports)
    await log_out(env.ports, caller=caller)

    with pytest.raises(TokenInvalid):
        await env.revocations.check(caller.session_id, caller.account_id)
    async with env.uow(read_only=True) as unit:
        assert await unit.revocations.has(caller.session_id)
