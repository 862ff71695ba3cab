import pytest

from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.passwords import sign_up
from parley.core.errors import InvalidInput
from tests.fakes.account_ports import FakePasswords
from tests.unit.accounts.environment import MIRA, PASSWORD, RAVI, AccountsEnvironment


@pytest.fixture
async def owned(env: AccountsEnvironment) -> AccountsEnvironment:
    """An environment where MIRA has an account with PASSWORD."""
    await env.sign_in(signup_token=await env.sign_up())
    env.passwords.verified.clear()
    return env


async def _replace_password(env: AccountsEnvironment, new: str) -> None:
    account = await env.account()
    async with env.uow() as unit:
        assert await unit.accounts.replace_password(account.id, old=account.password_hash, new=new)
        await unit.commit()


class InterruptedPasswords(FakePasswords):
    """Replaces the stored hash by `new` during the first verification."""

    def __init__(self, env: AccountsEnvironment, new: str) -> None:
        super().__init__()
        self._env = env
        self._new = new

    async def verify(self, password: str, password_hash: str | None) -> bool:
        if not self.verified:
            await _replace_password(self._env, self._new)
        return await super().verify(password, password_hash)


@pytest.mark.parametrize("password", ["p" * 8, "p" * 128, "ପାସୱାର୍ଡ ୧୨", " " * 8], ids=["8", "128", "odia", "spaces"])
async def test_password_of_any_characters_is_accepted(env, password):
    await env.sign_in(signup_token=await env.sign_up(password=password))

    assert (await env.log_in(password)).account.name == "Mira"


@pytest.mark.parametrize(
    "password", ["p" * 7, "p" * 129, "", "password\x00", "password\ud800"], ids=["7", "129", "0", "nul", "surrogate"]
)
async def test_refused_password_names_its_field(env, password):
    with pytest.raises(InvalidInput) as refusal:
        await env.sign_up(password=password)

    assert refusal.value.field == "password"
    assert password == "" or password not in refusal.value.detail
    assert env.passwords.hashed == 0


@pytest.mark.parametrize("name", ["", "n" * 201, "n\x00"], ids=["0", "201", "nul"])
async def test_refused_name_names_its_field(env, name):
    with pytest.raises(InvalidInput) as refusal:
        await env.sign_up(name=name)

    assert refusal.value.field == "name"


async def test_signup_does_the_same_work_with_and_without_an_account(owned):
    async def answer(identity):
        before = owned.passwords.hashed
        started = await sign_up(
            owned.ports, identity=identity, name="Mallory", password="the password of Mallory", client=owned.client
        )
        return started.expires_in, owned.passwords.hashed - before

    assert await answer(MIRA) == await answer(RAVI) == (3600, 1)


async def test_signup_without_a_password_hashes_nothing(env):
    signed_in = await env.sign_in(signup_token=await env.sign_up(password=None))

    assert env.passwords.hashed == 0
    assert (signed_in.account.name, signed_in.account.password_hash) == ("Mira", None)


async def test_password_opens_a_session(owned):
    signed_in = await owned.log_in()

    assert not signed_in.created
    assert signed_in.account == await owned.account()
    caller = owned.access_tokens.read(signed_in.access_token, owned.now)
    async with owned.uow(read_only=True) as unit:
        session = await unit.sessions.get(caller.session_id)
    assert session.opened_by.value == "password"
    assert await owned.refresh(signed_in.refresh_token)


@pytest.mark.parametrize("password", [PASSWORD + "r", "", "\ud800" * 9, "p" * 5000])
async def test_wrong_password_is_refused_after_one_verification(owned, password):
    with pytest.raises(CredentialsInvalid):
        await owned.log_in(password)

    assert owned.passwords.verified == [f"1:{PASSWORD}"]


async def test_identity_without_account_is_refused_after_the_same_work(owned):
    with pytest.raises(CredentialsInvalid) as refusal:
        await owned.log_in(PASSWORD, RAVI)

    assert refusal.value.detail == CredentialsInvalid().detail
    assert owned.passwords.verified == [None]


async def test_account_without_a_password_is_refused_after_the_same_work(owned):
    await owned.sign_in(RAVI)

    with pytest.raises(CredentialsInvalid):
        await owned.log_in("", RAVI)

    assert owned.passwords.verified == [None]


async def test_login_replaces_a_hash_with_other_costs(owned):
    owned.passwords.cost = 2
    await owned.log_in()

    assert (await owned.account()).password_hash == f"2:{PASSWORD}"
    assert (await owned.log_in()).account.name == "Mira"


async def test_password_changed_during_its_verification_opens_no_session(owned):
    owned.passwords = InterruptedPasswords(owned, "1:another password")

    with pytest.raises(CredentialsInvalid):
        await owned.log_in()

    assert owned.passwords.verified == [f"1:{PASSWORD}", "1:another password"]


async def test_hash_replaced_during_its_verification_does_not_fail_the_login(owned):
    owned.passwords = InterruptedPasswords(owned, f"2:{PASSWORD}")
    owned.passwords.cost = 2

    assert (await owned.log_in()).account.name == "Mira"
