from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from parley.core.accounts.errors import TokenInvalid
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.sessions import forget_expired
from parley.core.errors import Unavailable
from tests.unit.accounts.desk import SESSION_LIFE, Desk

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

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.store = Asked(desk.uow)
        self.revocations = RevocationList(uow=self.store, token_life=LIFE, monotonic=desk._seconds)

    async def refresh(self) -> None:
        await self.revocations.refresh(self._desk.now)

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
def other(desk: Desk) -> Process:
    return Process(desk)


@pytest.fixture
async def ended(desk: Desk):
    """Ends a session of its own, in the desk's process, and gives its id."""

    async def end() -> UUID:
        desk.later(hours=1)
        caller = desk.caller(await desk.sign_in())
        await desk.revocations.refresh(desk.now)
        await desk.end(caller)
        return caller.session_id

    return end


async def test_process_that_ends_a_session_refuses_it_at_once_and_asks_nobody(desk, other):
    await other.refresh()
    other.queries()
    other.revocations.remember([STRANGER], desk.now)

    assert not await other.lets_in(STRANGER)
    assert await other.lets_in(UUID(int=405))
    assert other.queries() == []


async def test_ended_session_is_refused_by_the_process_that_ended_it(desk, ended):
    session_id = await ended()

    with pytest.raises(TokenInvalid):
        await desk.revocations.check(session_id)


async def test_other_process_learns_of_it_by_refreshing(desk, other, ended):
    await other.refresh()
    session_id = await ended()
    desk.later(seconds=0.3)
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


async def test_list_is_trusted_for_a_second_and_then_the_store_is_asked(desk, other):
    await other.refresh()
    other.queries()
    desk.later(seconds=1)
    assert await other.lets_in(STRANGER)
    assert other.queries() == []

    desk.later(seconds=0.001)
    assert await other.lets_in(STRANGER)
    assert other.queries() == ["has"]


async def test_session_that_ended_since_is_refused_when_the_list_is_old(desk, other):
    caller = desk.caller(await desk.sign_in())
    await other.refresh()
    await desk.end(caller)
    assert await other.lets_in(caller.session_id)

    desk.later(seconds=1.001)
    assert not await other.lets_in(caller.session_id)


async def test_refresh_asks_for_what_is_new_and_a_minute_before(desk, other):
    await other.refresh()
    desk.later(seconds=5)
    await other.refresh()

    assert other.queries() == [None, pytest.approx(65)]


async def test_session_whose_end_took_long_to_commit_is_found(desk, other):
    await other.refresh()
    async with desk.uow() as unit:
        await unit.revocations.add([STRANGER], until=desk.now + LIFE)
        for _ in range(59):
            desk.later(seconds=1)
            await other.refresh()
        assert await other.lets_in(STRANGER)
        await unit.commit()
    await other.refresh()

    assert not await other.lets_in(STRANGER)


async def test_what_is_known_is_kept_by_a_refresh_that_does_not_find_it(desk, other):
    await other.refresh()
    other.revocations.remember([STRANGER], desk.now)
    desk.later(seconds=61)
    await other.refresh()

    assert not await other.lets_in(STRANGER)


async def test_session_is_known_as_long_as_a_token_of_it_may_be_taken_for_good(desk, other, ended):
    session_id = await ended()
    await other.refresh()
    # A token's life, and a minute for a clock that is wrong.
    desk.later(minutes=16, seconds=-1)
    await forget_expired(uow=desk.uow, session_life=SESSION_LIFE, now=desk.now)
    for process in (other.revocations, desk.revocations):
        await process.refresh(desk.now)
        with pytest.raises(TokenInvalid):
            await process.check(session_id)

    desk.later(seconds=1)
    await forget_expired(uow=desk.uow, session_life=SESSION_LIFE, now=desk.now)
    for process in (other.revocations, desk.revocations):
        await process.refresh(desk.now)
        await process.check(session_id)
    assert other.revocations._known == desk.revocations._known == {}


async def test_database_that_does_not_answer_leaves_the_list_which_is_then_too_old(desk, other, ended):
    session_id = await ended()
    await other.refresh()
    other.store.down = True
    desk.later(seconds=1)
    await other.refresh()
    assert not await other.lets_in(session_id)
    assert await other.lets_in(STRANGER)

    desk.later(seconds=0.001)
    assert not await other.lets_in(session_id)
    with pytest.raises(Unavailable):
        await other.revocations.check(STRANGER)


async def test_after_an_outage_nothing_was_missed(desk, other, ended):
    await other.refresh()
    other.store.down = True
    session_id = await ended()
    await other.refresh()
    other.store.down = False
    assert not await other.lets_in(session_id)
    other.queries()
    desk.later(minutes=5)
    await other.refresh()

    assert not await other.lets_in(session_id)
    assert len(other.queries()) == 1
