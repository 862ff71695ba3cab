"""An attacker who knows an identity but has none of its codes cannot set a password for its account in advance.

The attacker may or may not act before, between and after the owner's steps: every such order is tested.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid
from parley.core.accounts.model import OpenedBy, SignedIn
from parley.core.accounts.sources import Client
from parley.core.errors import InvalidInput
from tests.unit.accounts.environment import MIRA, PASSWORD, AccountsEnvironment

ATTACKERS = "the password of Mallory"


@dataclass
class Owner:
    """The owner of the identity, signing in once or twice."""

    env: AccountsEnvironment
    signup_token: str | None = None
    code: str = ""
    signed_in: SignedIn | None = None

    async def sign_up(self) -> None:
        self.signup_token = await self.env.sign_up(MIRA, name="Mira", password=PASSWORD)

    async def lose_the_token(self) -> None:
        self.signup_token = None

    async def request_code(self) -> None:
        self.code = await self.env.send(MIRA)

    async def verify(self) -> None:
        self.signed_in = await self.env.verify(self.code, MIRA, signup_token=self.signup_token)
        self.env.advance(minutes=2)
        self.signup_token = None

    async def set_a_password(self) -> None:
        await self.env.change(self.signed_in, PASSWORD)


def step(name: str) -> Callable[[Owner], Awaitable[None]]:
    return lambda owner: getattr(owner, name)()


STORIES = {
    "without a signup": ["request_code", "verify", "request_code", "verify"],
    "with a signup": ["sign_up", "request_code", "verify", "request_code", "verify"],
    "with a signup after the code": ["request_code", "sign_up", "verify"],
    "with an unused signup": ["sign_up", "lose_the_token", "request_code", "verify"],
    "with a signup for an account that exists": ["request_code", "verify", "sign_up", "request_code", "verify"],
    "with a password set later": ["request_code", "verify", "set_a_password"],
}
ORDERS = [
    (story, attacks)
    for story, steps in STORIES.items()
    for attacks in itertools.product([False, True], repeat=len(steps) + 1)
    if any(attacks)
]


async def attack(env: AccountsEnvironment) -> str:
    """Try everything that needs no code; returns the signup token, the only thing that it yields."""
    signup_token = await env.sign_up(MIRA, name="Mallory", password=ATTACKERS)
    with elsewhere(env), pytest.raises(OtpInvalid):
        await env.verify("a guess", MIRA, signup_token=signup_token)
    with elsewhere(env), pytest.raises(OtpInvalid):
        await env.reset("a guess", ATTACKERS)
    await cannot_log_in(env)
    return signup_token


async def cannot_log_in(env: AccountsEnvironment) -> None:
    with elsewhere(env), pytest.raises(CredentialsInvalid):
        await env.log_in(ATTACKERS, MIRA)


@contextmanager
def elsewhere(env: AccountsEnvironment) -> Iterator[None]:
    """A client in an address block of its own."""
    before, block = env.client, str(env.new_id())
    env.client = Client(block, block)
    yield
    env.client = before


@pytest.fixture
def env(env: AccountsEnvironment) -> AccountsEnvironment:
    # Without the hourly limit, on which the protection must not depend; the attacker is at a new address each time.
    env.rate_limits = replace(env.rate_limits, attempts_per_hour=0)
    return env


@pytest.mark.parametrize(("story", "attacks"), ORDERS)
async def test_attackers_password_never_works_in_any_order(env, story, attacks):
    owner = Owner(env)
    for attacked, name in zip(attacks, [*STORIES[story], None], strict=True):
        if attacked:
            await attack(env)
        if name:
            await step(name)(owner)
        await cannot_log_in(env)

    account = await env.account()
    has_signup = story in {"with a signup", "with a signup after the code"}
    assert account.name == ("Mira" if has_signup else None)
    if has_signup or "set_a_password" in STORIES[story]:
        assert (await env.log_in(PASSWORD)).account == account
    else:
        assert account.password_hash is None


@pytest.mark.parametrize("first", ["the owner", "the attacker"])
async def test_only_the_owners_signup_applies(env, first):
    owner = Owner(env)
    for who in sorted(["the owner", "the attacker"], reverse=first == "the owner"):
        await (owner.sign_up() if who == "the owner" else attack(env))
    await owner.request_code()
    await owner.verify()

    assert await env.log_in(PASSWORD)
    await cannot_log_in(env)


async def test_attackers_signup_changes_nothing_once_the_account_exists(env):
    planted = await attack(env)
    owner = Owner(env)
    await owner.request_code()
    await owner.verify()
    before = await env.account()

    # Even together with a valid code that token changes nothing.
    await env.sign_in(signup_token=planted)
    assert await env.account() == before
    await cannot_log_in(env)


async def test_attackers_sessions_end_when_the_owner_sets_a_password(env):
    """The attacker once had a valid code, for instance as the former holder of a reassigned number."""
    planted = await env.sign_in(signup_token=await env.sign_up(password=ATTACKERS))
    logged_in = await env.log_in(ATTACKERS)
    env.advance(minutes=2)
    owners = await env.sign_in()
    await env.change(owners, PASSWORD)

    await cannot_log_in(env)
    async with env.uow(read_only=True) as unit:
        live = await unit.sessions.page(owners.account.id, now=env.now, before=None, limit=9)
        for pair in (planted, logged_in):
            assert await unit.revocations.has(env.caller(pair).session_id)
    assert [session.opened_by for session in live] == [OpenedBy.CODE]


async def test_attackers_signup_token_of_another_identity_is_refused(env):
    planted = await env.sign_up(replace(MIRA, value="mallory@example.com"), password=ATTACKERS)
    code = await env.send()
    with pytest.raises(InvalidInput):
        await env.verify(code, MIRA, signup_token=planted)

    assert await env.account() is None
