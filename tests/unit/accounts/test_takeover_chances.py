"""The table of docs/accounts.md, recomputed from the limits in force."""

from pathlib import Path

import pytest

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.guesses import ADDRESS_FAILURES_PER_DAY, MOST_FAILURES, SUSPICIOUS_FAILURES, delay
from parley.core.accounts.identity_rate_limits import BLOCKS_PER_IDENTITY
from parley.core.accounts.model import Failures
from tests.unit.accounts.environment import AccountsEnvironment

DOCUMENT = Path(__file__).parents[3] / "docs" / "accounts.md"
POLICY = CodePolicy()
CODES = 1_000_000
DAY = 86_400
YEAR = 365 * DAY


def failures_within(seconds: float, env: AccountsEnvironment, *, total: int) -> int:
    """The most failures of one source in that time, if each guess is made as soon as its delay has passed."""
    own, passed = 0, 0.0
    while (passed := passed + delay(Failures(own, env.now, total, notified=True))) <= seconds:
        own += 1
    return own


def code_guesses(addresses: int, seconds: float, env: AccountsEnvironment) -> int:
    """The most code guesses at one account, if each address is in a block of its own."""
    # At the last gate a source may hold this many challenges, whose first tries are not delayed.
    held = min(POLICY.max_sends_per_hour, POLICY.expire_seconds // POLICY.resend_seconds)
    few, many = (failures_within(seconds, env, total=total) + held - 1 for total in (0, SUSPICIOUS_FAILURES))
    sends = POLICY.max_sends_per_hour * BLOCKS_PER_IDENTITY * seconds / 3600
    return int(min(addresses * few, SUSPICIOUS_FAILURES + addresses * many, SUSPICIOUS_FAILURES + sends))


def password_guesses(addresses: int, seconds: float, env: AccountsEnvironment) -> int:
    return min(addresses * failures_within(seconds, env, total=0), MOST_FAILURES)


def shown(chance: float) -> str:
    if chance > 0.99:
        return "over 0.99"
    return f"{chance:.2g}" if chance >= 0.01 else f"1 in {1 / chance:,.0f}"


def row(addresses: int, span: str, seconds: float, env: AccountsEnvironment) -> str:
    codes, passwords = (count(addresses, seconds, env) for count in (code_guesses, password_guesses))
    one = 1 - (1 - 1 / CODES) ** codes
    anyone = 1 - (1 - 1 / CODES) ** (addresses * ADDRESS_FAILURES_PER_DAY * seconds / DAY)
    return f"| {addresses:,} | {span} | {codes:,} | {shown(one)} | {passwords} | {shown(anyone)} |"


@pytest.mark.parametrize("addresses", [1, 100, 1_000])
@pytest.mark.parametrize(("span", "seconds"), [("a day", DAY), ("a year", YEAR)])
def test_documented_chances_are_those_of_the_limits(env, addresses, span, seconds):
    assert row(addresses, span, seconds, env) in DOCUMENT.read_text("utf-8").splitlines()
