"""What every store of accounts keeps to, alone and under the use cases that count on it."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from parley.adapters.memory.accounts import MemoryAccountsUnitOfWork
from parley.adapters.sql.accounts import SqlAccountsUnitOfWork
from parley.adapters.sql.database import Database
from parley.adapters.sql.schema import migrate
from parley.core.accounts.errors import OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import (
    Account,
    Challenge,
    Identity,
    IdentityKind,
    OpenedBy,
    Purpose,
    RefreshToken,
    Session,
    Signup,
    TokenPair,
)
from parley.core.accounts.ports import AccountsUnitOfWork
from tests.contracts.postgres_fixtures import migrated_database
from tests.unit.accounts.desk import MIRA, RAVI, Desk, outcomes, wrong_code

NOW = datetime(2026, 3, 14, 12, 0, 0, 123456, tzinfo=UTC)
MAC = b"m" * 32
TOKEN = b"t" * 32
SECOND = timedelta(seconds=1)
numbers = itertools.count(1)


@asynccontextmanager
async def memory(_folder: Path) -> AsyncGenerator[AccountsUnitOfWork, None]:
    yield MemoryAccountsUnitOfWork()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncGenerator[AccountsUnitOfWork, None]:
    async with sql(f"sqlite+aiosqlite:///{folder / 'accounts.db'}") as store:
        yield store


@asynccontextmanager
async def postgresql(_folder: Path) -> AsyncGenerator[AccountsUnitOfWork, None]:
    async with migrated_database() as url, sql(url) as store:
        yield store


@asynccontextmanager
async def sql(url: str) -> AsyncGenerator[AccountsUnitOfWork, None]:
    database = Database(url)
    try:
        await migrate(database)
        yield SqlAccountsUnitOfWork(database)
    finally:
        await database.close()


STORES = [
    pytest.param(memory, id="memory"),
    pytest.param(sqlite, id="sqlite"),
    pytest.param(postgresql, id="postgresql"),
]


@pytest.fixture(params=STORES)
async def uow(request, tmp_path):
    async with request.param(tmp_path) as store:
        yield store


def new_account(identity: Identity = MIRA, **changes) -> Account:
    return replace(Account(UUID(int=next(numbers)), identity, "Mira", "a hash", NOW), **changes)


def new_challenge(**changes) -> Challenge:
    return replace(Challenge(MIRA, Purpose.SIGN_IN, MAC, NOW + SECOND), **changes)


async def kept_account(uow: AccountsUnitOfWork, identity: Identity = MIRA) -> Account:
    async with uow() as unit:
        account, _ = await unit.accounts.find_or_add(new_account(identity))
        await unit.commit()
    return account


async def kept_session(uow: AccountsUnitOfWork, **changes) -> Session:
    account = await kept_account(uow)
    session = Session(UUID(int=next(numbers)), account.id, OpenedBy.CODE, NOW, NOW, NOW + SECOND)
    session = replace(session, **changes)
    async with uow() as unit:
        await unit.sessions.add(session)
        await unit.commit()
    return session


async def keep(uow: AccountsUnitOfWork, challenge: Challenge) -> None:
    async with uow() as unit:
        await unit.challenges.put(challenge)
        await unit.commit()


async def try_once(uow: AccountsUnitOfWork, purpose: Purpose = Purpose.SIGN_IN, now: datetime = NOW) -> bytes | None:
    async with uow() as unit:
        code_mac = await unit.challenges.count_try(MIRA, purpose, limit=5, now=now)
        await unit.commit()
    return code_mac


async def spend(uow: AccountsUnitOfWork, code_mac: bytes = MAC) -> bool:
    async with uow() as unit:
        spent = await unit.challenges.spend(MIRA, Purpose.SIGN_IN, code_mac, at=NOW)
        await unit.commit()
    return spent


async def test_what_is_not_committed_is_lost(uow):
    account = new_account()
    async with uow() as unit:
        await unit.accounts.find_or_add(account)
        await unit.challenges.put(new_challenge())
        await unit.sessions.add(Session(account.id, account.id, OpenedBy.CODE, NOW, NOW, NOW))
        assert await unit.accounts.get(account.id) == account

    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) is None
        assert await unit.sessions.get(account.id) is None
    assert await try_once(uow) is None


async def test_what_was_changed_before_an_error_is_lost(uow):
    account = await kept_account(uow)

    async def fail_half_way() -> None:
        async with uow() as unit:
            await unit.accounts.rename(account.id, "Mallory")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) == account


async def test_reader_does_not_wait_for_a_writer_nor_see_what_it_has_not_committed(uow):
    account = await kept_account(uow)
    async with asyncio.timeout(5), uow() as writing:
        await writing.accounts.rename(account.id, "Mallory")
        async with uow(read_only=True) as reading:
            assert await reading.accounts.get(account.id) == account


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "read"])
async def test_account_is_found_by_its_identity_and_its_id(uow, identity, keep):
    account = await kept_account(uow, identity)

    async with uow() as unit:
        assert await unit.accounts.find(identity, keep=keep) == account
        assert await unit.accounts.get(account.id) == account
        assert await unit.accounts.find(Identity(identity.kind, "another"), keep=keep) is None
        assert await unit.accounts.get(UUID(int=0)) is None


async def test_account_of_a_known_identity_is_found_and_not_added(uow):
    first = new_account(name=None, password_hash=None)
    async with uow() as unit:
        assert await unit.accounts.find_or_add(first) == (first, True)
        await unit.commit()

    async with uow() as unit:
        assert await unit.accounts.find_or_add(new_account()) == (first, False)


async def test_of_parallel_sign_ins_one_adds_the_account_and_all_get_it(uow):
    async def find_or_add() -> tuple[Account, bool]:
        async with uow() as unit:
            found = await unit.accounts.find_or_add(new_account())
            await unit.commit()
        return found

    found = await asyncio.gather(*(find_or_add() for _ in range(20)))

    assert len({account.id for account, _ in found}) == 1
    assert [added for _, added in found].count(True) == 1


@pytest.mark.parametrize("name", ["Mira Rao", None])
async def test_name_is_written(uow, name):
    account = await kept_account(uow)
    other = await kept_account(uow, RAVI)
    async with uow() as unit:
        assert await unit.accounts.rename(account.id, name) == replace(account, name=name)
        await unit.commit()

    async with uow() as unit:
        assert await unit.accounts.get(account.id) == replace(account, name=name)
        assert await unit.accounts.get(other.id) == other
        assert await unit.accounts.rename(UUID(int=0), name) is None


async def test_password_is_replaced_only_where_it_is_still_the_old_one(uow):
    account = await kept_account(uow)
    async with uow() as unit:
        assert not await unit.accounts.replace_password(account.id, old="another hash", new="a new hash")
        assert not await unit.accounts.replace_password(UUID(int=0), old="a hash", new="a new hash")
        assert await unit.accounts.replace_password(account.id, old="a hash", new="a hash")
        assert await unit.accounts.replace_password(account.id, old="a hash", new="a new hash")
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.accounts.get(account.id) == replace(account, password_hash="a new hash")


async def test_try_gives_the_mac_as_often_as_the_limit_says(uow):
    await keep(uow, new_challenge())

    assert [await try_once(uow) for _ in range(7)] == [MAC] * 5 + [None] * 2


async def test_try_of_what_is_not_live_gives_nothing(uow):
    assert await try_once(uow) is None
    await keep(uow, new_challenge())
    assert await try_once(uow, Purpose.RESET) is None
    assert await try_once(uow, now=NOW + SECOND) is None
    assert await try_once(uow, now=NOW + SECOND / 2) == MAC
    assert await spend(uow)
    assert await try_once(uow) is None


async def test_new_challenge_voids_the_one_before_it(uow):
    await keep(uow, new_challenge(tries=5))
    await keep(uow, new_challenge(code_mac=b"n" * 32))

    assert await try_once(uow) == b"n" * 32
    assert not await spend(uow, MAC)
    assert await spend(uow, b"n" * 32)


async def test_new_challenge_takes_the_place_of_a_spent_one(uow):
    await keep(uow, new_challenge())
    assert await spend(uow)
    await keep(uow, new_challenge())

    assert await spend(uow)
    assert not await spend(uow)


async def test_challenges_of_other_purposes_and_identities_stay(uow):
    await keep(uow, new_challenge())
    await keep(uow, new_challenge(purpose=Purpose.RESET, code_mac=b"r" * 32))
    await keep(uow, new_challenge(identity=RAVI, code_mac=b"o" * 32))
    await keep(uow, new_challenge(identity=Identity(IdentityKind.MOBILE_NUMBER, MIRA.value), code_mac=b"k" * 32))

    assert await spend(uow)
    assert await try_once(uow, Purpose.RESET) == b"r" * 32


async def test_of_200_parallel_tries_five_get_the_mac(uow):
    await keep(uow, new_challenge())

    tried = await asyncio.gather(*(try_once(uow) for _ in range(200)))

    assert tried.count(MAC) == 5


async def test_of_parallel_spenders_one_succeeds(uow):
    await keep(uow, new_challenge())

    spent = await asyncio.gather(*(spend(uow) for _ in range(50)))

    assert spent.count(True) == 1


@pytest.mark.parametrize("identity", [MIRA, RAVI], ids=["email", "mobile_number"])
async def test_signup_is_kept_until_it_is_removed(uow, identity):
    signup = Signup(TOKEN, identity, None, "a hash", NOW)
    async with uow() as unit:
        await unit.signups.add(signup)
        await unit.signups.add(replace(signup, token_hash=b"o" * 32, name="Mira", password_hash=None))
        await unit.commit()
    async with uow() as unit:
        assert await unit.signups.get(TOKEN) == signup
        await unit.signups.remove(TOKEN)
        await unit.signups.remove(b"never added")
        await unit.commit()
    async with uow(read_only=True) as unit:
        assert await unit.signups.get(TOKEN) is None
        assert (await unit.signups.get(b"o" * 32)).name == "Mira"


async def test_session_is_kept_as_it_was_added(uow):
    session = await kept_session(uow, opened_by=OpenedBy.PASSWORD)

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == session
        assert await unit.sessions.get(UUID(int=0)) is None


async def test_live_session_is_extended(uow):
    session = await kept_session(uow)
    other = await kept_session(uow)
    until = NOW + 9 * SECOND
    extended = replace(session, last_used_at=NOW + SECOND / 2, expires_at=until)
    async with uow() as unit:
        assert await unit.sessions.extend(session.id, at=NOW + SECOND / 2, until=until) == extended
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == extended
        assert await unit.sessions.get(other.id) == other


async def test_session_that_is_over_is_not_extended(uow):
    expired = await kept_session(uow)
    ended = await kept_session(uow, ended_at=NOW)
    async with uow() as unit:
        for session_id in (expired.id, ended.id, UUID(int=0)):
            assert await unit.sessions.extend(session_id, at=NOW + SECOND, until=NOW + 9 * SECOND) is None
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(expired.id) == expired


async def test_session_ends_once(uow):
    session = await kept_session(uow)
    async with uow() as unit:
        assert await unit.sessions.end(session.id, at=NOW)
        assert not await unit.sessions.end(session.id, at=NOW + SECOND)
        assert not await unit.sessions.end(UUID(int=0), at=NOW)
        await unit.commit()

    async with uow(read_only=True) as unit:
        assert await unit.sessions.get(session.id) == replace(session, ended_at=NOW)


async def test_of_parallel_users_of_a_token_one_gets_the_session(uow):
    session = await kept_session(uow)
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


async def test_only_what_has_expired_is_forgotten(uow):
    await keep(uow, new_challenge(expires_at=NOW))
    await keep(uow, new_challenge(purpose=Purpose.RESET))
    async with uow() as unit:
        await unit.signups.add(Signup(TOKEN, MIRA, None, None, NOW))
        await unit.signups.add(Signup(b"o" * 32, MIRA, None, None, NOW + SECOND))
        await unit.commit()

    async with uow() as unit:
        assert await unit.challenges.forget_expired(NOW) == 1
        assert await unit.signups.forget_expired(NOW) == 1
        assert await unit.signups.get(TOKEN) is None
        assert await unit.signups.get(b"o" * 32) is not None
        await unit.commit()
    assert await try_once(uow, Purpose.RESET) == MAC


async def test_only_sessions_that_were_over_are_forgotten_and_their_tokens_with_them(uow):
    live = await kept_session(uow)
    expired = await kept_session(uow, expires_at=NOW - SECOND)
    ended = await kept_session(uow, ended_at=NOW - SECOND)
    just_over = await kept_session(uow, expires_at=NOW, ended_at=NOW)
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


async def test_200_parallel_wrong_guesses_leave_nothing_to_guess(uow):
    desk = Desk(uow)
    code = await desk.send()
    # The right code is among them, behind the five that count.
    guesses = [wrong_code(code)] * 199 + [code]

    signed_in, refused = await outcomes(desk.verify(guess) for guess in guesses)

    assert signed_in == []
    assert {type(refusal) for refusal in refused} == {OtpInvalid}
    with pytest.raises(OtpInvalid):
        await desk.verify(code)
    assert await desk.account() is None


async def test_200_parallel_right_codes_open_one_session(uow):
    desk = Desk(uow)
    code = await desk.send()

    signed_in, refused = await outcomes(desk.verify(code) for _ in range(200))

    assert len(signed_in) == 1
    assert [type(refusal) for refusal in refused] == [OtpInvalid] * 199


async def test_50_parallel_refreshes_of_one_token_have_one_successor(uow):
    desk = Desk(uow)
    first = (await desk.sign_in()).refresh_token

    pairs, refused = await outcomes(desk.refresh(first) for _ in range(50))

    assert refused == []
    successors = {pair.refresh_token for pair in pairs if isinstance(pair, TokenPair)}
    assert len(successors) == 1
    assert await desk.refresh(successors.pop())


async def test_parallel_uses_of_a_stolen_token_end_the_session_for_all(uow):
    desk = Desk(uow)
    first = (await desk.sign_in()).refresh_token
    child = (await desk.refresh(first)).refresh_token
    desk.later(minutes=1)

    pairs, refused = await outcomes(desk.refresh(first) for _ in range(20))

    assert pairs == []
    assert {type(refusal) for refusal in refused} == {RefreshTokenInvalid}
    with pytest.raises(RefreshTokenInvalid):
        await desk.refresh(child)
