"""How many codes are sent to one mailbox, from one source, and by the whole installation."""

from contextlib import suppress
from dataclasses import replace

import pytest

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.codes import send_code
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind, Purpose
from parley.core.accounts.sources import Client
from parley.core.errors import TooManyRequests
from tests.fakes.account_ports import AuditNote
from tests.unit.accounts.environment import MIRA, RAVI, AccountsEnvironment, outcomes

BUDGET = 100
# Shares of it.
STRANGERS, COUNTRY, BLOCK = 80, 50, 10


@pytest.fixture
def budgeted(env: AccountsEnvironment) -> AccountsEnvironment:
    env.code_policy = CodePolicy(sms_per_hour=BUDGET, emails_per_hour=BUDGET)
    return env


def mail(number: int) -> Identity:
    return Identity(IdentityKind.EMAIL, f"person{number}@example.com")


def indian(number: int) -> Identity:
    return Identity(IdentityKind.MOBILE_NUMBER, f"+9198765{number:05}")


def american(number: int) -> Identity:
    return Identity(IdentityKind.MOBILE_NUMBER, f"+1415555{number:04}")


async def sent(env: AccountsEnvironment, identities: list[Identity], *, blocks: int | None = None) -> int:
    """How many get a code, when each asks from a network of its own, or they share `blocks` networks."""
    count = 0
    for number, identity in enumerate(identities):
        block = str(number if blocks is None else number % blocks)
        env.client = Client(f"198.51.100.{number}", f"{identity.kind.value} {block}")
        with suppress(TooManyRequests):
            await env.request_code(identity)
            count += 1
    return count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mira@example.com", "mira+shop@example.com"),
        ("mira+a@example.com", "mira+b@example.com"),
        ("mira.k@gmail.com", "mirak@googlemail.com"),
    ],
)
async def test_addresses_of_one_mailbox_share_its_limits_and_are_accounts_of_their_own(env, one, other):
    first, second = (Identity(IdentityKind.EMAIL, address) for address in (one, other))
    await env.sign_in(first)
    with pytest.raises(TooManyRequests) as refusal:
        await env.request_code(second)
    assert refusal.value.retry_after == 60
    env.advance(minutes=1)
    account = (await env.sign_in(second)).account
    for identity in (first, second, first):
        env.advance(minutes=1)
        await env.request_code(identity)
    env.advance(minutes=1)
    with pytest.raises(TooManyRequests):
        await env.request_code(second)

    assert (account.identity, account.id) != (first, (await env.account(first)).id)


@pytest.mark.parametrize(
    ("of", "limit"), [(mail, STRANGERS), (indian, COUNTRY)], ids=["mails", "messages to one country"]
)
async def test_strangers_use_up_a_share_of_the_budget_only(budgeted, of, limit):
    assert await sent(budgeted, [of(number) for number in range(BUDGET)]) == limit


async def test_two_countries_use_up_the_share_of_strangers(budgeted):
    assert await sent(budgeted, [indian(number) for number in range(60)]) == COUNTRY
    assert await sent(budgeted, [american(number) for number in range(60)]) == STRANGERS - COUNTRY
    assert await sent(budgeted, [mail(number) for number in range(60)]) == 60


async def test_the_only_country_has_the_whole_share_of_strangers(budgeted):
    budgeted.code_policy = replace(budgeted.code_policy, country_share=1.0)
    assert await sent(budgeted, [indian(number) for number in range(BUDGET)]) == STRANGERS


async def test_an_hour_later_the_budget_is_there_again(budgeted):
    await sent(budgeted, [mail(number) for number in range(BUDGET)])
    budgeted.advance(minutes=59)
    with pytest.raises(TooManyRequests) as refusal:
        await budgeted.request_code(MIRA)
    assert refusal.value.retry_after == 60

    budgeted.advance(minutes=1)
    await budgeted.request_code(MIRA)


async def test_what_is_refused_by_the_budget_is_noted_and_counts_for_nothing(budgeted):
    await sent(budgeted, [indian(number) for number in range(COUNTRY)])
    budgeted.advance(minutes=30)
    for _ in range(9):
        with pytest.raises(TooManyRequests):
            await budgeted.request_code(RAVI)
    assert budgeted.audit.notes[-1] == AuditNote(AuditEvent.BUDGET_SPENT, identity=RAVI, how="mobile_number")

    # Neither for Ravi, nor for others.
    budgeted.advance(minutes=30)
    await budgeted.request_code(RAVI)
    assert await sent(budgeted, [indian(number) for number in range(BUDGET)]) == COUNTRY - 1


async def test_known_devices_get_codes_when_strangers_have_used_up_their_share(budgeted):
    device = (await budgeted.sign_in(RAVI)).device_token
    await sent(budgeted, [indian(number) for number in range(BUDGET)])
    await sent(budgeted, [american(number) for number in range(BUDGET)])
    budgeted.client = Client("192.0.2.1", "192.0.2.0/24")
    with pytest.raises(TooManyRequests):
        await budgeted.request_code(RAVI, Purpose.RESET)

    budgeted.client = replace(budgeted.client, device_token=device)
    await budgeted.request_code(RAVI, Purpose.RESET)


async def test_known_devices_of_one_network_leave_the_budget_to_those_of_others(budgeted):
    owner = (await budgeted.sign_in(RAVI)).device_token
    devices = []
    for number in range(2 * BLOCK):
        budgeted.client = Client("198.51.100.1", f"network {number}")
        devices.append((indian(number), (await budgeted.sign_in(indian(number))).device_token))
    budgeted.advance(hours=1)
    asked = 0
    for person, device in devices:
        budgeted.client = Client("198.51.100.1", "198.51.100.0/24", device)
        with suppress(TooManyRequests):
            await budgeted.request_code(person)
            asked += 1
    assert asked == BLOCK

    budgeted.client = Client("192.0.2.1", "192.0.2.0/24", owner)
    await budgeted.request_code(RAVI)


async def test_all_known_devices_together_stay_within_the_budget_and_the_limit_of_their_mailbox(budgeted):
    budgeted.code_policy = CodePolicy(sms_per_hour=BUDGET, max_sends_per_hour=1)
    devices = []
    for _ in range(25):
        devices.append((await budgeted.sign_in(RAVI)).device_token)
        budgeted.advance(hours=1)
    asked = 0
    for number, device in enumerate(devices):
        budgeted.client = Client("198.51.100.1", f"network {number}", device)
        with suppress(TooManyRequests):
            await budgeted.request_code(RAVI)
            asked += 1

    assert asked == 20


@pytest.mark.parametrize(("blocks", "limit"), [(1, BLOCK), (3, 3 * BLOCK)])
async def test_a_network_gets_a_small_share(budgeted, blocks, limit):
    assert await sent(budgeted, [mail(number) for number in range(BUDGET)], blocks=blocks) == limit
    # The alert on a spent budget is for the installation's.
    assert AuditEvent.BUDGET_SPENT not in budgeted.audit.events
    assert await sent(budgeted, [mail(number) for number in range(1_000, 1_000 + STRANGERS)]) == STRANGERS - limit


async def test_parallel_requests_stay_within_the_budget(budgeted):
    async def ask(number: int) -> None:
        client = Client(f"198.51.100.{number}", f"network {number}")
        await send_code(budgeted.ports, identity=mail(number), purpose=Purpose.SIGN_IN, client=client)

    done, refused = await outcomes(ask(number) for number in range(2 * BUDGET))
    assert len(done) == STRANGERS
    assert {type(refusal) for refusal in refused} == {TooManyRequests}


async def test_reset_codes_count_the_same_with_and_without_an_account(budgeted):
    await budgeted.sign_in(mail(0))
    budgeted.advance(hours=1)
    refusals = []
    for identities in ([mail(0), *map(mail, range(10, 100))], [mail(1), *map(mail, range(100, 200))]):
        budgeted.client = Client("192.0.2.1", f"network {identities[0]}")
        await budgeted.request_code(identities[0], Purpose.RESET)
        await sent(budgeted, identities[1:])
        with pytest.raises(TooManyRequests) as refusal:
            await budgeted.request_code(identities[0], Purpose.RESET)
        refusals.append(refusal.value.retry_after)
        budgeted.advance(hours=1)

    assert refusals[0] == refusals[1]


async def test_without_a_sender_nothing_is_sent_and_there_is_no_budget(budgeted):
    budgeted.code_delivery = None
    assert await sent(budgeted, [mail(number) for number in range(2 * BUDGET)]) == 2 * BUDGET
