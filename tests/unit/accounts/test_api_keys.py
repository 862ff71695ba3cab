"""API keys: how they are found, what a use writes, and when a process refuses one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from parley.core.accounts.api_keys import MOST_KEYS, NewApiKey, make_key, meter_key, revoke_key
from parley.core.accounts.erase import erase_account
from parley.core.accounts.errors import ApiKeyInvalid, ApiKeyNotFound, TokenInvalid, TooManyApiKeys
from parley.core.accounts.known_keys import KnownApiKeys
from parley.core.accounts.model import AuditEvent, Caller, Purpose
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.sessions import forget_expired
from parley.core.errors import InvalidInput, Unavailable
from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.unit.accounts.environment import MIRA, RAVI, AccountsEnvironment


class CountedUnits:
    """Units of work, counted by kind. While it is `full`, those that write are refused."""

    def __init__(self, uow: FakeAccountsUnitOfWork) -> None:
        self._uow = uow
        self.reads = self.writes = 0
        self.full = False

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[object, None]:
        self.reads += read_only
        self.writes += not read_only
        if self.full and not read_only:
            raise Unavailable
        async with self._uow(read_only=read_only) as unit:
            yield unit


class Environment(AccountsEnvironment):
    def __init__(self) -> None:
        super().__init__(FakeAccountsUnitOfWork(FakeDatabase(lambda: self.now)))
        self.units = CountedUnits(self.uow)
        self.api_keys = KnownApiKeys(self.units)

    async def make(self, identity=MIRA, **fields: object) -> NewApiKey:
        account = await self.account(identity) or (await self.sign_in(identity)).account
        return await make_key(self.ports, account_id=account.id, **{"name": "Nightly", "expires_at": None} | fields)

    async def use(self, made: NewApiKey) -> Caller:
        """As a request does."""
        caller = await self.api_keys.caller(made.secret, self.now)
        await self.revocations.check(caller.session_id, caller.account_id)
        return caller

    async def last_used_at(self, made: NewApiKey):
        async with self.uow(read_only=True) as unit:
            return (await unit.api_keys.find(made.key.key_hash)).last_used_at


@pytest.fixture
def environment() -> Environment:
    return Environment()


async def test_key_identifies_its_account(environment):
    made = await environment.make()

    caller = await environment.use(made)

    assert (caller.account_id, caller.session_id, caller.by_key) == (made.key.account_id, made.key.id, True)


async def test_only_a_hash_and_the_prefix_are_stored(environment):
    made = await environment.make()

    assert made.secret.startswith("pk-")
    assert made.key.prefix == made.secret[:10]
    assert "secret" not in repr(made)
    assert "key_hash" not in repr(made)


@pytest.mark.parametrize("secret", ["pk-", "pk-unknown", "pk-é\ud800", "pk-" + "a" * 1_000])
async def test_unknown_key_is_refused(environment, secret):
    await environment.make()

    with pytest.raises(ApiKeyInvalid):
        await environment.api_keys.caller(secret, environment.now)


async def test_key_is_looked_up_once_a_minute_and_its_use_written_as_often(environment):
    made, first = await environment.make(), environment.now

    for _ in range(100):
        await environment.use(made)
    assert (environment.units.reads, environment.units.writes) == (1, 1)
    assert await environment.last_used_at(made) == first

    environment.advance(seconds=59)
    await environment.use(made)
    assert (environment.units.reads, environment.units.writes) == (1, 1)

    environment.advance(seconds=1)
    await environment.use(made)
    assert (environment.units.reads, environment.units.writes) == (2, 2)
    assert await environment.last_used_at(made) == environment.now


async def test_a_second_process_does_not_write_the_use_again(environment):
    made = await environment.make()
    await environment.use(made)

    await KnownApiKeys(environment.units).caller(made.secret, environment.now)

    assert (environment.units.reads, environment.units.writes) == (2, 1)


async def test_key_works_while_its_use_cannot_be_written(environment):
    made = await environment.make()
    environment.units.full = True

    await environment.use(made)

    assert await environment.last_used_at(made) is None


async def test_process_that_revokes_a_key_refuses_it_at_once(environment):
    made = await environment.make()
    await environment.use(made)

    await revoke_key(environment.ports, account_id=made.key.account_id, key_id=made.key.id)

    with pytest.raises(TokenInvalid):
        await environment.use(made)


async def test_another_process_that_knows_the_key_refuses_it_when_its_list_is_fresh(environment):
    made = await environment.make()
    elsewhere = RevocationList(uow=environment.uow, monotonic=environment.monotonic)
    await elsewhere.refresh(environment.now)
    await elsewhere.check(made.key.id, made.key.account_id)

    await revoke_key(environment.ports, account_id=made.key.account_id, key_id=made.key.id)
    environment.advance(seconds=0.3)
    await elsewhere.refresh(environment.now)

    with pytest.raises(TokenInvalid):
        await elsewhere.check(made.key.id, made.key.account_id)


async def test_key_is_refused_from_its_expiry_on_also_where_it_is_remembered(environment):
    made = await environment.make(expires_at=environment.now.replace(second=30))
    await environment.use(made)
    environment.advance(seconds=29)
    await environment.use(made)

    environment.advance(seconds=1)

    with pytest.raises(ApiKeyInvalid):
        await environment.use(made)
    assert await forget_expired(environment.ports)
    with pytest.raises(ApiKeyInvalid):
        await environment.use(made)


async def test_expiry_must_be_ahead(environment):
    for seconds in (0, -1, 40_000 * 86_400):
        environment_at = environment.now
        environment.advance(seconds=seconds)
        expires_at, environment.now = environment.now, environment_at
        with pytest.raises(InvalidInput, match="expires_at"):
            await environment.make(expires_at=expires_at)


async def test_name_is_checked(environment):
    for name in ("", "x" * 101, "a\x00b"):
        with pytest.raises(InvalidInput, match="name"):
            await environment.make(name=name)


async def test_account_has_a_bounded_number_of_keys(environment):
    made = [await environment.make() for _ in range(MOST_KEYS)]
    with pytest.raises(TooManyApiKeys):
        await environment.make()

    await revoke_key(environment.ports, account_id=made[0].key.account_id, key_id=made[0].key.id)

    await environment.make()


async def test_operator_makes_a_key_unmetered_which_a_process_knows_within_a_minute(environment):
    made = await environment.make()
    assert not (await environment.use(made)).unmetered

    await meter_key(environment.ports, key_id=made.key.id, unmetered=True, by="cli:mira")
    environment.advance(seconds=60)

    assert (await environment.use(made)).unmetered
    note = environment.audit.notes[-1]
    assert (note.event_kind, note.api_key_id, note.how) == (AuditEvent.API_KEY_CHANGED, made.key.id, "unmetered")
    assert note.by == "cli:mira"
    with pytest.raises(ApiKeyNotFound):
        await meter_key(environment.ports, key_id=made.key.account_id, unmetered=True, by="cli:mira")


async def test_key_of_another_account_is_not_found(environment):
    made, of_ravi = await environment.make(), await environment.make(RAVI)

    with pytest.raises(ApiKeyNotFound):
        await revoke_key(environment.ports, account_id=of_ravi.key.account_id, key_id=made.key.id)

    await environment.use(made)


async def test_key_outlives_a_reset_of_the_password(environment):
    made = await environment.make()
    environment.advance(minutes=61)

    await environment.reset(await environment.send(purpose=Purpose.RESET), "a new and longer password")

    await environment.use(made)


async def test_key_does_not_outlive_its_account(environment):
    made = await environment.make()
    await environment.use(made)

    await erase_account(environment.ports, account_id=made.key.account_id)

    with pytest.raises(TokenInvalid):
        await environment.use(made)


async def test_a_process_remembers_only_so_many_keys(environment):
    keys = KnownApiKeys(environment.units, remember=2)
    made = [await environment.make() for _ in range(3)]
    for each in (*made, made[2], made[1]):
        await keys.caller(each.secret, environment.now)
    assert environment.units.reads == 3

    await keys.caller(made[0].secret, environment.now)

    assert environment.units.reads == 4


async def test_making_and_revoking_are_in_the_audit_trail(environment):
    made = await environment.make()
    await revoke_key(environment.ports, account_id=made.key.account_id, key_id=made.key.id)

    notes = environment.audit.notes[-2:]

    assert [note.event_kind for note in notes] == [AuditEvent.API_KEY_MADE, AuditEvent.API_KEY_REVOKED]
    assert {(note.account_id, note.api_key_id) for note in notes} == {(made.key.account_id, made.key.id)}
