from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.sessions import forget_expired
from parley.core.errors import Unavailable
from tests.unit.accounts.environment import AccountsEnvironment

LIFE = timedelta(minutes=15)
OTHER_SESSION = UUID(int=404)
NOBODY = UUID(int=0)


class RecordingUnitOfWork:
    """Records the queries of revocations. While `down` it raises Unavailable."""

    def __init__(self, uow) -> None:
        self._uow = uow
        self.down = False
        self.queries: list[str | float | None] = []

    @asynccontextmanager
    async def __call__(self, *, read_only: bool):
        assert read_only
        if self.down:
            raise Unavailable
        async with self._uow(read_only=True) as unit:
            self._revocations = unit.revocations
            yield SimpleNamespace(revocations=self, suspensions=unit.suspensions)

    async def has(self, session_id: UUID) -> bool:
        self.queries.append("has")
        return await self._revocations.has(session_id)

    async def latest(self, seconds: float | None):
        self.queries.append(seconds)
        return await self._revocations.latest(seconds)


class Process:
    """Another API process over the same database."""

    def __init__(self, env: AccountsEnvironment) -> None:
        self._env = env
        self.uow = RecordingUnitOfWork(env.uow)
        self.revocations = RevocationList(uow=self.uow, monotonic=env.monotonic)

    async def refresh(self) -> None:
        await self.revocations.refresh(self._env.now)

    async def accepts(self, session_id: UUID) -> bool:
        try:
            await self.revocations.check(session_id, NOBODY)
        except TokenInvalid:
            return False
        return True

    def take_queries(self) -> list[str | float | None]:
        queries, self.uow.queries = self.uow.queries, []
        return queries


@pytest.fixture
def other(env: AccountsEnvironment) -> Process:
    return Process(env)


@pytest.fixture
async def ended(env: AccountsEnvironment):
    """A function that opens and ends a session in the first process, and returns its id."""

    async def end() -> UUID:
        env.advance(hours=1)
        caller = env.caller(await env.sign_in())
        await env.revocations.refresh(env.now)
        await env.end(caller)
        return caller.session_id

    return end


async def test_process_that_ends_a_session_refuses_it_at_once_without_a_query(env, other):
    await other.refresh()
    other.take_queries()
    other.revocations.remember([OTHER_SESSION], env.now)

    assert not await other.accepts(OTHER_SESSION)
    assert await other.accepts(UUID(int=405))
    assert other.take_queries() == []


async def test_ended_session_is_refused_by_the_process_that_ended_it(env, ended):
    session_id = await ended()

    with pytest.raises(TokenInvalid):
        await env.revocations.check(session_id, NOBODY)


async def test_other_process_learns_of_an_ended_session_by_refreshing(env, other, ended):
    await other.refresh()
    session_id = await ended()
    env.advance(seconds=0.3)
    await other.refresh()
    other.take_queries()

    assert not await other.accepts(session_id)
    assert other.take_queries() == []


async def test_new_process_queries_until_its_first_refresh_reads_all(other, ended):
    session_id = await ended()
    assert not await other.accepts(session_id)
    assert await other.accepts(OTHER_SESSION)
    assert other.take_queries() == ["has", "has"]

    await other.refresh()
    assert not await other.accepts(session_id)
    assert await other.accepts(OTHER_SESSION)
    assert other.take_queries() == [None]


async def test_list_is_fresh_for_a_second_and_then_the_store_is_queried(env, other):
    await other.refresh()
    other.take_queries()
    env.advance(seconds=1)
    assert await other.accepts(OTHER_SESSION)
    assert other.take_queries() == []

    env.advance(seconds=0.001)
    assert await other.accepts(OTHER_SESSION)
    assert other.take_queries() == ["has"]


async def test_stale_list_finds_a_session_that_ended_since(env, other):
    caller = env.caller(await env.sign_in())
    await other.refresh()
    await env.end(caller)
    assert await other.accepts(caller.session_id)

    env.advance(seconds=1.001)
    assert not await other.accepts(caller.session_id)


async def test_refresh_reads_a_minute_more_than_the_time_since_the_last(env, other):
    await other.refresh()
    env.advance(seconds=5)
    await other.refresh()

    assert other.take_queries() == [None, pytest.approx(65)]


async def test_revocation_that_took_long_to_commit_is_found(env, other):
    await other.refresh()
    async with env.uow() as unit:
        await unit.revocations.add([OTHER_SESSION], until=env.now + LIFE)
        for _ in range(59):
            env.advance(seconds=1)
            await other.refresh()
        assert await other.accepts(OTHER_SESSION)
        await unit.commit()
    await other.refresh()

    assert not await other.accepts(OTHER_SESSION)


async def test_refresh_keeps_known_sessions_that_it_does_not_read_again(env, other):
    await other.refresh()
    other.revocations.remember([OTHER_SESSION], env.now)
    env.advance(seconds=61)
    await other.refresh()

    assert not await other.accepts(OTHER_SESSION)


async def test_session_stays_in_the_list_for_the_longest_life_of_a_token(env, other, ended):
    """Whatever ACCESS_TOKEN_EXPIRE_MINUTES was when its tokens were signed."""
    session_id = await ended()
    await other.refresh()
    # LONGEST_TOKEN_LIFE and CLOCK_SKEW.
    env.advance(days=1, minutes=1, seconds=-1)
    await forget_expired(env.ports)
    for process in (other.revocations, env.revocations):
        await process.refresh(env.now)
        with pytest.raises(TokenInvalid):
            await process.check(session_id, NOBODY)

    env.advance(seconds=1)
    await forget_expired(env.ports)
    for process in (other.revocations, env.revocations):
        await process.refresh(env.now)
        await process.check(session_id, NOBODY)
    assert len(other.revocations) == len(env.revocations) == 0


async def test_database_outage_keeps_the_list_until_it_is_stale(env, other, ended):
    session_id = await ended()
    await other.refresh()
    other.uow.down = True
    env.advance(seconds=1)
    await other.refresh()
    assert not await other.accepts(session_id)
    assert await other.accepts(OTHER_SESSION)

    env.advance(seconds=0.001)
    assert not await other.accepts(session_id)
    with pytest.raises(Unavailable):
        await other.revocations.check(OTHER_SESSION, NOBODY)


async def test_refresh_after_an_outage_reads_everything_since(env, other, ended):
    await other.refresh()
    other.uow.down = True
    session_id = await ended()
    await other.refresh()
    other.uow.down = False
    assert not await other.accepts(session_id)
    other.take_queries()
    env.advance(minutes=5)
    await other.refresh()

    assert not await other.accepts(session_id)
    assert len(other.take_queries()) == 1
