"""Steps that ask for a human."""

from dataclasses import replace

import pytest

from parley.core.accounts.human_checks import HumanChecks, HumanStep
from parley.core.accounts.model import Purpose
from parley.core.errors import InvalidInput, TooManyRequests, Unavailable
from tests.fakes.account_ports import FakeHumanCheck
from tests.unit.accounts.environment import MIRA, RAVI, AccountsEnvironment


@pytest.fixture
def check(env: AccountsEnvironment) -> FakeHumanCheck:
    check = FakeHumanCheck("one", "two")
    env.human_checks = HumanChecks(check, frozenset({HumanStep.SIGN_IN, HumanStep.SIGN_UP}))
    return check


async def test_a_token_is_asked_for_and_works_once(env, check):
    for token, message in ((None, "is required"), ("forged", "was refused")):
        env.human_token = token
        for step in (env.request_code, env.sign_up):
            with pytest.raises(InvalidInput, match=message) as refusal:
                await step()
            assert refusal.value.field == "human_token"
    env.human_token = "one"
    await env.request_code()
    with pytest.raises(InvalidInput):
        await env.sign_up()
    env.human_token = "two"
    await env.sign_up()

    assert check.addresses == [env.client.address] * 5


async def test_other_steps_ask_for_none(env, check):
    await env.request_code(MIRA, Purpose.RESET)
    env.human_checks = HumanChecks(check, frozenset({HumanStep.RESET}))
    await env.sign_in()
    env.advance(minutes=2)
    with pytest.raises(InvalidInput):
        await env.request_code(MIRA, Purpose.RESET)


async def test_a_known_device_needs_none(env, check):
    env.human_token = "one"
    signed_in = await env.sign_in()
    env.advance(minutes=2)
    env.human_token = None
    check.away = True
    env.client = replace(env.client, device_token=signed_in.device_token)

    await env.request_code()
    env.human_token = "two"
    with pytest.raises(Unavailable):
        await env.request_code(RAVI)


async def test_nobody_passes_unchecked_and_what_is_refused_counts_for_nothing(env, check):
    env.human_token = "one"
    check.away = True
    for step in (env.request_code, env.sign_up):
        with pytest.raises(Unavailable):
            await step()
    check.away = False
    assert env.rate_limiter.keys_remembered == 0
    assert env.queue.ids == []

    await env.request_code()
    env.human_token = "two"
    with pytest.raises(TooManyRequests):
        await env.request_code()
