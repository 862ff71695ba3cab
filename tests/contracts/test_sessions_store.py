"""The contract of the Sessions repository, for every store."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from parley.core.accounts.model import OpenedBy, RefreshToken
from tests.contracts.accounts_fixtures import (
    NOW,
    RAVI,
    SECOND,
    do,
    every_store,
    see,
    stored_session,
    stored_token,
)

uow = every_store
TOKEN = b"t" * 32


async def test_session_is_stored_unchanged(uow):
    session = await stored_session(uow, opened_by=OpenedBy.PASSWORD)

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == session
        assert await unit.sessions.get(UUID(int=0)) is None


async def test_live_session_is_extended(uow):
    session = await stored_session(uow)
    other = await stored_session(uow)
    until = NOW + 9 * SECOND
    extended = replace(session, last_used_at=NOW + SECOND / 2, expires_at=until)
    async with uow() as unit:
        assert await unit.sessions.extend(session.id, at=NOW + SECOND / 2, until=until) == extended
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == extended
        assert await unit.sessions.get(other.id) == other


async def test_ended_or_expired_session_is_not_extended(uow):
    expired = await stored_session(uow)
    ended = await stored_session(uow, ended_at=NOW)
    async with uow() as unit:
        for session_id in (expired.id, ended.id, UUID(int=0)):
            assert await unit.sessions.extend(session_id, at=NOW + SECOND, until=NOW + 9 * SECOND) is None
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(expired.id) == expired


async def test_session_ends_once(uow):
    session = await stored_session(uow)
    async with uow() as unit:
        assert await unit.sessions.end(session.id, at=NOW)
        assert not await unit.sessions.end(session.id, at=NOW + SECOND)
        assert not await unit.sessions.end(UUID(int=0), at=NOW)
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == replace(session, ended_at=NOW)


async def test_one_of_several_parallel_uses_of_a_token_succeeds(uow):
    session = await stored_session(uow)
    token = RefreshToken(TOKEN, session.id, NOW)
    async with uow() as unit:
        await unit.sessions.add_token(token)
        await unit.commit()

    async def use(token_hash: bytes) -> UUID | None:
        async with uow() as unit:
            session_id = await unit.sessions.use_token(token_hash, at=NOW + SECOND)
            await unit.commit()
        return session_id

    used = await asyncio.gather(use(b"never added"), *(use(TOKEN) for _ in range(50)))

    assert used[0] is None
    assert [session_id for session_id in used if session_id is not None] == [session.id]
    async with uow(read_only=True) as unit:
        assert await unit.sessions.token(TOKEN) == replace(token, used_at=NOW + SECOND)
        assert await unit.sessions.token(b"never added") is None


async def test_only_old_ended_sessions_are_forgotten_with_their_tokens(uow):
    live = await stored_session(uow)
    expired = await stored_session(uow, expires_at=NOW - SECOND)
    ended = await stored_session(uow, ended_at=NOW - SECOND)
    just_over = await stored_session(uow, expires_at=NOW, ended_at=NOW)
    async with uow() as unit:
        for session in (live, expired, ended, just_over):
            await unit.sessions.add_token(RefreshToken(session.id.bytes * 2, session.id, NOW))
        await unit.commit()

    async with uow() as unit:
        assert await unit.sessions.forget_before(NOW) == 2
        await unit.commit()

    async with uow(read_only=True) as unit:
        for session, stays in ((live, True), (expired, False), (ended, False), (just_over, True)):
            assert (await unit.sessions.get(session.id) is not None) == stays
            assert (await unit.sessions.token(session.id.bytes * 2) is not None) == stays


@pytest.mark.parametrize("user_agent", ["Firefox on a phone " + "x" * 281, None])
async def test_user_agent_of_a_session_is_stored(uow, user_agent):
    session = await stored_session(uow, user_agent=user_agent)

    assert await see(uow, lambda unit: unit.sessions.get(session.id)) == session


async def test_page_has_the_live_sessions_of_the_account_newest_first(uow):
    first = await stored_session(uow)
    await stored_session(uow, ended_at=NOW)
    await stored_session(uow, expires_at=NOW)
    await stored_session(uow, RAVI)
    last = await stored_session(uow, expires_at=NOW + SECOND / 1000)

    page = await see(uow, lambda unit: unit.sessions.page(first.account_id, now=NOW, before=None, limit=9))

    assert page == [last, first]


async def test_pages_follow_each_other_without_gap_or_repeat(uow):
    sessions = [await stored_session(uow) for _ in range(5)]
    account_id, found, before = sessions[0].account_id, [], None
    for _ in range(3):
        page = await see(
            uow, lambda unit, before=before: unit.sessions.page(account_id, now=NOW, before=before, limit=2)
        )
        before = page[-1].id
        found.append(page)

    assert [len(page) for page in found] == [2, 2, 1]
    assert [session for page in found for session in page] == sessions[::-1]
    assert await see(uow, lambda unit: unit.sessions.page(account_id, now=NOW, before=before, limit=2)) == []


async def test_page_continues_after_a_session_that_ended_meanwhile(uow):
    sessions = [await stored_session(uow) for _ in range(3)]
    await do(uow, lambda unit: unit.sessions.end(sessions[1].id, at=NOW))

    page = await see(
        uow, lambda unit: unit.sessions.page(sessions[0].account_id, now=NOW, before=sessions[1].id, limit=9)
    )

    assert page == sessions[:1]


async def test_end_all_returns_only_sessions_that_had_not_ended(uow):
    live, expired = await stored_session(uow), await stored_session(uow, expires_at=NOW)
    ended = await stored_session(uow, ended_at=NOW - SECOND)
    other = await stored_session(uow, RAVI)

    assert set(await do(uow, lambda unit: unit.sessions.end_all(live.account_id, at=NOW))) == {live.id, expired.id}
    assert await do(uow, lambda unit: unit.sessions.end_all(live.account_id, at=NOW + SECOND)) == []

    async with uow(read_only=True) as unit:
        assert (await unit.sessions.get(live.id)).ended_at == NOW
        assert await unit.sessions.get(ended.id) == ended
        assert await unit.sessions.get(other.id) == other


async def test_end_all_can_except_one_session(uow):
    spared, ended = await stored_session(uow), await stored_session(uow)

    assert await do(uow, lambda unit: unit.sessions.end_all(spared.account_id, at=NOW, but=spared.id)) == [ended.id]
    assert await see(uow, lambda unit: unit.sessions.get(spared.id)) == spared


async def test_only_tokens_of_the_session_that_were_used_long_ago_are_forgotten(uow):
    session, another = await stored_session(uow), await stored_session(uow)
    unused = await stored_token(uow, session, issued_at=NOW - SECOND)
    long_ago = await stored_token(uow, session, used_at=NOW - SECOND / 1000)
    since = await stored_token(uow, session, used_at=NOW)
    elsewhere = await stored_token(uow, another, used_at=NOW - SECOND)

    await do(uow, lambda unit: unit.sessions.forget_used_tokens(session.id, before=NOW))

    async with uow(read_only=True) as unit:
        found = [await unit.sessions.token(token.token_hash) for token in (unused, long_ago, since, elsewhere)]
    assert found == [unused, None, since, elsewhere]
    assert await see(uow, lambda unit: unit.sessions.get(session.id)) == session
