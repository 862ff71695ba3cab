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
STRANGER = UUID(int=404)


class Asked:
    """A unit of work that notes what is asked of its revocations. While `down` it does not answer."""

    def __init__(self, uow) -> None:
        self._uow = uow
        self.down = False
        self.asked: list[str | float | None] = []

    @asynccontextmanager
    async def __call__(self, *, read_only: bool):
        assert read_only
        if self.down:
            raise Unavailable
        async with self._uow(read_only=True) as unit:
            self._revocations = unit.revocations
            yield SimpleNamespace(revocations=self)

    async def has(self, session_id: UUID) -> bool:
        self.asked.append("has")
        return await self._revocations.has(session_id)

    async def latest(self, seconds: float | None):
        self.asked.append(seconds)
        return await self._revocations.latest(seconds)


class Process:
    """Another API process over the same database."""

    def __init__(self, env: AccountsEnvironment) -> None:
        self._env = env
        self.store = Asked(env.uow)
        self.revocations = RevocationList(uow=self.store, token_life=LIFE, monotonic=env.monotonic)

    async def refresh(self) -> None:
        await self.revocations.refresh(self._env.now)

    async def lets_in(self, session_id: UUID) -> bool:
        try:
            await self.revocations.check(session_id)
        except TokenInvalid:
            return False
        return True

    def queries(self) -> list[str | float | None]:
        asked, self.store.asked = self.store.asked, []
        return asked


@pytest.fixture
def other(env: AccountsEnvironment) -> Process:
    return Process(env)


@pytest.fixture
async def ended(env: AccountsEnvironment):
    """Ends a session of its own, in the env's process, and gives its id."""

    async def end() -> UUID:
        env.advance(hours=1)
        caller = env.caller(await env.sign_in())
        await env.revocations.refresh(env.now)
        await env.end(caller)
        return caller.session_id

    return end


async def test_process_that_ends_a_session_refuses_it_at_once_and_asks_nobody(env, other):
    await other.refresh()
    other.queries()
    other.revocations.remember([STRANGER], env.now)

    assert not await other.lets_in(STRANGER)
    assert await other.lets_in(UUID(int=405))
    assert other.queries() == []


async def test_ended_session_is_refused_by_the_process_that_ended_it(env, ended):
    session_id = await ended()

    with pytest.raises(TokenInvalid):
        await env.revocations.check(session_id)


async def test_other_process_learns_of_it_by_refreshing(env, other, ended):
    await other.refresh()
    session_id = await ended()
    env.advance(seconds=0.3)
    await other.refresh()
    other.queries()

    assert not await other.lets_in(session_id)
    assert other.queries() == []


async def test_process_that_has_just_started_asks_and_learns_of_all(other, ended):
    session_id = await ended()
    assert not await other.lets_in(session_id)
    assert await other.lets_in(STRANGER)
    assert other.queries() == ["has", "has"]

    await other.refresh()
    assert not await other.lets_in(session_id)
    assert await other.lets_in(STRANGER)
    assert other.queries() == [None]


async def test_list_is_trusted_for_a_second_and_then_the_store_is_asked(env, other):
    await other.refresh()
    other.queries()
    env.advance(seconds=1)
    assert await other.lets_in(STRANGER)
    assert other.queries() == []

    env.advance(seconds=0.001)
    assert await other.lets_in(STRANGER)
    assert other.queries() == ["has"]


async def test_session_that_ended_since_is_refused_when_the_list_is_old(env, other):
    caller = env.caller(await env.sign_in())
    await other.refresh()
    await env.end(caller)
    assert await other.lets_in(caller.session_id)

    env.advance(seconds=1.001)
    assert not await other.lets_in(caller.session_id)


async def test_refresh_asks_for_what_is_new_and_a_minute_before(env, other):
    await other.refresh()
    env.advance(seconds=5)
    await other.refresh()

    assert other.queries() == [None, pytest.approx(65)]


async def test_session_whose_end_took_long_to_commit_is_found(env, other):
    await other.refresh()
    async with env.uow() as unit:
        await unit.revocations.add([STRANGER], until=env.now + LIFE)
        for _ in range(59):
            env.advance(seconds=1)
            await other.refresh()
        assert await other.lets_in(STRANGER)
        await unit.commit()
    await other.refresh()

    assert not await other.lets_in(STRANGER)


async def test_what_is_known_is_kept_by_a_refresh_that_does_not_find_it(env, other):
    await other.refresh()
    other.revocations.remember([STRANGER], env.now)
    env.advance(seconds=61)
    await other.refresh()

    assert not await other.lets_in(STRANGER)


async def test_session_is_known_as_long_as_a_token_of_it_may_be_taken_for_good(env, other, ended):
    session_id = await ended()
    await other.refresh()
    # A token's life, and a minute for a clock that is wrong.
    env.advance(minutes=16, seconds=-1)
    await forget_expired(env.ports)
    for process in (other.revocations, env.revocations):
        await process.refresh(env.now)
        with pytest.raises(TokenInvalid):
            await process.check(session_id)

    env.advance(seconds=1)
    await forget_expired(env.ports)
    for process in (other.revocations, env.revocations):
        await process.refresh(env.now)
        await process.check(session_id)
    assert len(other.revocations) == len(env.revocations) == 0


async def test_database_that_does_not_answer_leaves_the_list_which_is_then_too_old(env, other, ended):
    session_id = await ended()
    await other.refresh()
    other.store.down = True
    env.advance(seconds=1)
    await other.refresh()
    assert not await other.lets_in(session_id)
    assert await other.lets_in(STRANGER)

    env.advance(seconds=0.001)
    assert not await other.lets_in(session_id)
    with pytest.raises(Unavailable):
        await other.revocations.check(STRANGER)


async def test_after_an_outage_nothing_was_missed(env, other, ended):
    await other.refresh()
    other.store.down = True
    session_id = await ended()
    await other.refresh()
    other.store.down = False
    assert not await other.lets_in(session_id)
    other.queries()
    env.advance(minutes=5)
    await other.refresh()

    assert not await other.lets_in(session_id)
    assert len(other.queries()) == 1
