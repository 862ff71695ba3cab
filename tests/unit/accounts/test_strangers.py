"""Strangers who know an identity and attack its sign-in, over virtual time: the owner gets in, guesses stay few."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid
from parley.core.accounts.guesses import MOST_FAILURES, NOTIFIED_FAILURES
from parley.core.accounts.model import AuditEvent, Notice, Purpose, SignedIn
from parley.core.accounts.sources import Client
from parley.core.errors import Overloaded, TooManyRequests
from tests.fakes.account_ports import FakePasswords
from tests.unit.accounts.environment import MIRA, PASSWORD, AccountsEnvironment, wrong_code

OWNERS = Client("198.51.100.7", "198.51.100.0/24")
ONE_ADDRESS = [Client("192.0.2.1", "192.0.2.0/24")]
HUNDRED_ADDRESSES = [Client(f"192.0.2.{number}", "192.0.2.0/24") for number in range(95)] + [
    Client(f"2001:db8:0:{number}::/64", "2001:db8::/48") for number in range(5)
]
ATTACKERS = pytest.mark.parametrize("attackers", [ONE_ADDRESS, HUNDRED_ADDRESSES], ids=["one", "hundred"])
NEW = "the new password of Mira"


@pytest.fixture
async def owner(env: AccountsEnvironment) -> SignedIn:
    """The owner's sign-in on a known device, with a password."""
    env.client = OWNERS
    signed_in = await env.sign_in(signup_token=await env.sign_up())
    env.advance(hours=2)
    return signed_in


async def attack(env: AccountsEnvironment, attackers: list[Client]) -> None:
    """Everything that each attacker can try with an identity, whatever it is answered."""
    before = env.client
    for env.client in attackers:
        for purpose in Purpose:
            with suppress(TooManyRequests):
                sent = await env.request_code(MIRA, purpose)
                for challenge in (sent.challenge, None):
                    for _ in range(2):
                        with suppress(OtpInvalid):
                            await env.verify("not a code", challenge=challenge)
        with suppress(CredentialsInvalid, TooManyRequests):
            await env.log_in("a guess")
    env.client = before


async def compared(env: AccountsEnvironment) -> int:
    """The guesses of strangers that were compared since the owner's password was set."""
    async with env.uow(read_only=True) as unit:
        return (await unit.failures.read(MIRA, "any", now=env.now)).total


@ATTACKERS
async def test_owner_signs_in_at_the_first_try_through_an_hour_of_attack(env, owner, attackers):
    for minute in range(60):
        await attack(env, attackers)
        if minute % 12 == 0:
            sent = await env.request_code()
            await attack(env, attackers[:1])
            await env.deliver_codes()
            codes = [code for _, code, purpose in env.sender.sent if purpose is Purpose.SIGN_IN]
            assert (await env.verify(codes_of(env, sent.challenge, codes), challenge=sent.challenge)).account
        if minute % 12 == 6:
            assert await env.log_in(PASSWORD)
        env.advance(minutes=1)


def codes_of(env: AccountsEnvironment, challenge: str, codes: list[str]) -> str:
    """The owner's code: in these tests it was made right before its challenge."""
    code = f"{int(challenge.removeprefix('token-')) - 1:06}"
    assert code in codes
    return code


@ATTACKERS
async def test_known_device_signs_in_from_the_attackers_own_network(env, owner, attackers):
    for _ in range(30):
        await attack(env, attackers)
        env.advance(minutes=2)
    env.client = replace(attackers[0], device_token=owner.device_token)

    assert (await env.log_in(PASSWORD)).device_token == owner.device_token
    sent = await env.request_code()
    env.client = replace(env.client, device_token=None)
    assert await env.verify(codes_of(env, sent.challenge, [code_before(sent.challenge)]), challenge=sent.challenge)


def code_before(challenge: str) -> str:
    return f"{int(challenge.removeprefix('token-')) - 1:06}"


@ATTACKERS
async def test_owner_without_challenge_or_device_token_gets_in_from_an_address_of_their_own(env, owner, attackers):
    for _ in range(10):
        await attack(env, attackers)
        env.advance(minutes=6)
    sent = await env.request_code()
    await attack(env, attackers)

    assert await env.verify(code_before(sent.challenge))
    assert await env.log_in(PASSWORD)


@ATTACKERS
@pytest.mark.parametrize("owner_signs_in", [True, False])
async def test_guesses_at_one_account_within_a_year_are_at_most_100(env, owner, attackers, owner_signs_in):
    # Addresses of a block share its limits, so two of each block do what all would.
    attackers = attackers[:2] + attackers[-2:]
    steps = [timedelta(minutes=1)] * 60 + [timedelta(hours=1)] * 72 + [timedelta(days=1)] * 362
    for step in steps:
        await attack(env, attackers)
        if owner_signs_in and step >= timedelta(days=1):
            assert await env.log_in(PASSWORD)
        env.now += step

    assert 10 < await compared(env) <= MOST_FAILURES


async def test_password_is_compared_100_times_at_most_from_any_number_of_networks(env, owner):
    for number in range(MOST_FAILURES + 20):
        env.client = Client(f"address {number}", f"network {number}")
        with suppress(CredentialsInvalid, TooManyRequests):
            await env.log_in("a guess")
    assert len(env.passwords.verified) == MOST_FAILURES
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)

    # Without a window: years later too. A known device and a code still work.
    env.advance(days=300)
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)
    env.client = replace(OWNERS, device_token=owner.device_token)
    assert await env.log_in(PASSWORD)
    env.client = OWNERS
    assert await env.sign_in()


async def test_delays_grow_tenfold_and_end_with_a_success(env, owner):
    waits = []
    while len(waits) < 4:
        try:
            await env.log_in("a guess")
        except CredentialsInvalid:
            continue
        except TooManyRequests as refusal:
            waits.append(refusal.retry_after)
            env.advance(seconds=refusal.retry_after)
    assert waits == [60, 600, 6_000, 60_000]

    await env.log_in(PASSWORD)
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess")


async def test_failures_of_one_address_over_all_identities_are_limited_per_day(env, owner):
    for number in range(50):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess", replace(MIRA, value=f"{number}@example.com"))
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)

    env.client = replace(OWNERS, address="198.51.100.8")
    for _ in range(9):
        assert await env.log_in(PASSWORD)
    env.client = replace(OWNERS, device_token=owner.device_token)
    assert await env.log_in(PASSWORD)


async def test_success_forgives_what_its_address_failed_at_that_identity(env, owner):
    for number in range(45):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess", replace(MIRA, value=f"{number}@example.com"))
    for _ in range(20):
        for _ in range(3):
            with pytest.raises(CredentialsInvalid):
                await env.log_in("a slip of the finger")
        assert await env.log_in(PASSWORD)
        code = await env.send()
        with pytest.raises(OtpInvalid):
            await env.verify(wrong_code(code))
        assert await env.verify(code)
        env.advance(minutes=30)

    for number in range(5):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("a guess", replace(MIRA, value=f"other{number}@example.com"))
    with pytest.raises(TooManyRequests):
        await env.log_in(PASSWORD)


@pytest.mark.parametrize("end", ["reset", "change"])
async def test_new_password_voids_device_tokens_and_failures(env, owner, end):
    for number in range(MOST_FAILURES):
        env.client = Client(f"address {number}", f"network {number}")
        with suppress(CredentialsInvalid):
            await env.log_in("a guess")
    env.client = OWNERS
    if end == "reset":
        await env.reset(await env.send(MIRA, Purpose.RESET), NEW)
    else:
        await env.change(await env.sign_in(), NEW)

    assert await compared(env) == 0
    env.client = replace(OWNERS, device_token=owner.device_token)
    assert (await env.log_in(NEW)).device_token != owner.device_token


async def test_owner_is_notified_once_without_a_code(env, owner):
    for round_ in range(3):
        await attack(env, [Client(f"{round_}.{number}", f"{round_}.{number}") for number in range(NOTIFIED_FAILURES)])
        await env.deliver_codes()
        env.advance(days=1)

    assert env.sender.notices == [(MIRA, Notice.GUESSING)]
    assert env.audit.events.count(AuditEvent.OWNER_NOTIFIED) == 1


async def test_unknown_identity_is_stored_alike_and_not_notified(env):
    for number in range(NOTIFIED_FAILURES + 1):
        env.client = Client(f"{number}", f"{number}")
        with suppress(CredentialsInvalid):
            await env.log_in("a guess")
    assert len(env.queue.ids) == 1
    await env.deliver_codes()

    assert env.sender.notices == []


async def test_tries_of_one_challenge_do_not_touch_another(env, owner):
    first = await env.request_code()
    env.advance(minutes=1)
    second = await env.request_code()
    for _ in range(3):
        with pytest.raises(OtpInvalid):
            await env.verify(wrong_code(code_before(second.challenge)), challenge=second.challenge)

    with pytest.raises(OtpInvalid):
        await env.verify(code_before(first.challenge), challenge=second.challenge)
    assert await env.verify(code_before(first.challenge), challenge=first.challenge)
    assert await env.verify(code_before(second.challenge), challenge=second.challenge)
    with pytest.raises(OtpInvalid):
        await env.verify(code_before(first.challenge), challenge=first.challenge)


async def test_code_without_its_challenge_is_valid_only_in_the_network_that_asked_for_it(env, owner):
    sent = await env.request_code()
    code = code_before(sent.challenge)
    env.client = ONE_ADDRESS[0]
    with pytest.raises(OtpInvalid):
        await env.verify(code)

    assert await env.verify(code, challenge=sent.challenge)


async def test_password_that_was_not_compared_for_lack_of_time_does_not_count(env, owner):
    class Busy(FakePasswords):
        async def verify(self, *_: str | None) -> bool:
            raise Overloaded(3)

    session = await env.sign_in()
    idle, env.passwords = env.passwords, Busy()
    for _ in range(9):
        with pytest.raises(Overloaded):
            await env.log_in(PASSWORD)
        with pytest.raises(Overloaded):
            await env.change(session, NEW, current=PASSWORD)
        env.advance(seconds=10)
    env.passwords = idle

    assert await compared(env) == 0
    assert await env.log_in(PASSWORD)


async def test_password_that_was_not_compared_for_lack_of_time_delays_nothing(env, owner):
    class Busy(FakePasswords):
        async def verify(self, *_: str | None) -> bool:
            raise Overloaded(3)

    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await env.log_in("wrong")
    env.advance(seconds=61)
    idle, env.passwords = env.passwords, Busy()
    with pytest.raises(Overloaded):
        await env.log_in(PASSWORD)
    env.passwords = idle

    assert await env.log_in(PASSWORD)


async def test_new_hash_for_which_there_is_no_time_is_left_to_the_next_login(env, owner):
    class Busy(FakePasswords):
        def needs_rehash(self, *_: str) -> bool:
            return True

        async def hash(self, *_: str) -> str:
            raise Overloaded(3)

    env.passwords = Busy()

    assert await env.log_in(PASSWORD)
