"""Who knows an identity and has none of its codes plants nothing in its account, whenever they try.

Between any two steps of the owner, and before and after them all, the attacker may act or not: every such order is
gone through.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid
from parley.core.accounts.model import OpenedBy, SignedIn
from parley.core.errors import InvalidInput
from tests.unit.accounts.environment import MIRA, PASSWORD, AccountsEnvironment

PLANTED = "the password of Mallory"


@dataclass
class Owner:
    """Signs in for the first time, and for the second."""

    env: AccountsEnvironment
    signup_token: str | None = None
    code: str = ""
    signed_in: SignedIn | None = None

    async def sign_up(self) -> None:
        self.signup_token = await self.env.sign_up(MIRA, name="Mira", password=PASSWORD)

    async def forget_the_token(self) -> None:
        self.signup_token = None

    async def ask(self) -> None:
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
    "without a signup": ["ask", "verify", "ask", "verify"],
    "with a signup": ["sign_up", "ask", "verify", "ask", "verify"],
    "with a signup after the code": ["ask", "sign_up", "verify"],
    "with a signup for nothing": ["sign_up", "forget_the_token", "ask", "verify"],
    "with a signup for an account that exists": ["ask", "verify", "sign_up", "ask", "verify"],
    "with a password of later": ["ask", "verify", "set_a_password"],
}
ORDERS = [
    (story, attacks)
    for story, steps in STORIES.items()
    for attacks in itertools.product([False, True], repeat=len(steps) + 1)
    if any(attacks)
]


async def attack(env: AccountsEnvironment) -> str:
    """All that can be tried without a code. The signup's token is all it yields."""
    signup_token = await env.sign_up(MIRA, name="Mallory", password=PLANTED)
    with pytest.raises(OtpInvalid):
        await env.verify("a guess", MIRA, signup_token=signup_token)
    with pytest.raises(OtpInvalid):
        await env.reset("a guess", PLANTED)
    await gets_in_nowhere(env)
    return signup_token


async def gets_in_nowhere(env: AccountsEnvironment) -> None:
    with pytest.raises(CredentialsInvalid):
        await env.log_in(PLANTED, MIRA)


@pytest.fixture
def env(env: AccountsEnvironment) -> AccountsEnvironment:
    # The limits stand in nobody's way here: what is shown does not rest on them.
    env.rate_limits = replace(env.rate_limits, attempts_per_hour=0)
    return env


@pytest.mark.parametrize(("story", "attacks"), ORDERS)
async def test_planted_password_opens_nothing_in_any_order(env, story, attacks):
    owner = Owner(env)
    for attacked, name in zip(attacks, [*STORIES[story], None], strict=True):
        if attacked:
            await attack(env)
        if name:
            await step(name)(owner)
        await gets_in_nowhere(env)

    account = await env.account()
    has_signup = story in {"with a signup", "with a signup after the code"}
    assert account.name == ("Mira" if has_signup else None)
    if has_signup or "set_a_password" in STORIES[story]:
        assert (await env.log_in(PASSWORD)).account == account
    else:
        assert account.password_hash is None


@pytest.mark.parametrize("first", ["the owner", "the attacker"])
async def test_of_two_signups_only_the_owners_comes_into_force(env, first):
    owner = Owner(env)
    for who in sorted(["the owner", "the attacker"], reverse=first == "the owner"):
        await (owner.sign_up() if who == "the owner" else attack(env))
    await owner.ask()
    await owner.verify()

    assert await env.log_in(PASSWORD)
    await gets_in_nowhere(env)


async def test_attackers_signup_is_worth_nothing_to_them_once_the_account_is_there(env):
    planted = await attack(env)
    owner = Owner(env)
    await owner.ask()
    await owner.verify()
    before = await env.account()

    # Even a code that is used with that token changes nothing any more.
    await env.sign_in(signup_token=planted)
    assert await env.account() == before
    await gets_in_nowhere(env)


async def test_attackers_session_does_not_outlive_the_owners_reset(env):
    """The attacker had a code once, as somebody does whose number was given to another."""
    planted = await env.sign_in(signup_token=await env.sign_up(password=PLANTED))
    logged_in = await env.log_in(PLANTED)
    env.advance(minutes=2)
    owners = await env.sign_in()
    await env.change(owners, PASSWORD)

    await gets_in_nowhere(env)
    async with env.uow(read_only=True) as unit:
        live = await unit.sessions.page(owners.account.id, now=env.now, before=None, limit=9)
        for pair in (planted, logged_in):
            assert await unit.revocations.has(env.caller(pair).session_id)
    assert [session.opened_by for session in live] == [OpenedBy.CODE]


async def test_attackers_token_does_not_pass_for_another_identity(env):
    planted = await env.sign_up(replace(MIRA, value="mallory@example.com"), password=PLANTED)
    code = await env.send()
    with pytest.raises(InvalidInput):
        await env.verify(code, MIRA, signup_token=planted)

    assert await env.account() is None
