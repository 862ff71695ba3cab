"""Bounds on guessing codes and passwords over any length of time (NIST SP 800-63B, 5.2.2).

Consecutive failures are counted in the database for each identity and source, without a window; a success from a source
removes those of that source. After the first few the delay before the next guess grows tenfold each time. So a stranger
delays only guesses from their own address block, and an owner with a known device or a new challenge is not delayed.
A failure is counted and committed before the comparison, so parallel guesses gain nothing. A refused guess is not
counted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.identity_rate_limits import HOUR_SECONDS
from parley.core.accounts.model import FAILURE_MEMORY, Delivery, Failures, Identity, Notice
from parley.core.accounts.sources import Client, Source
from parley.core.accounts.stores import AccountsUnit
from parley.core.errors import Overloaded
from parley.core.ports import LimitedUse

# Failures of a source before its delays begin.
FREE_FAILURES = 5
# From this many failures of all address blocks on, the delays of each begin after its first.
SUSPICIOUS_FAILURES = 50
# NIST SP 800-63B, 5.2.2: no more than 100 consecutive failures. Then passwords work only on known devices; codes go on.
MOST_FAILURES = 100
FIRST_DELAY_SECONDS = 60.0
DELAY_GROWTH = 10.0
# Failures at all identities together, from one address. A known device is exempt. A success removes what the address
# failed at its identity, so that many people behind one address do not use it up by mistyping.
ADDRESS_FAILURES_PER_DAY = 50
DAY_SECONDS = 24 * HOUR_SECONDS
# Failures of all address blocks after which the owner is notified, once.
NOTIFIED_FAILURES = 10
NOTICE_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess that was counted as a failure, and what undoes that after a success."""

    identity: Identity
    source: str
    in_total: bool
    # To be forgiven after that unit's commit.
    address_uses: tuple[LimitedUse, ...]

    async def forget(self, unit: AccountsUnit) -> None:
        """Remove the source's failures in the unit of work of the success, before that locks anything else."""
        await unit.failures.clear(self.identity, self.source, in_total=self.in_total)


@dataclass(frozen=True, slots=True)
class PasswordGuess(Guess):
    """A guess of a password, which was counted at `counted_at`, and all its uses of rate limits.

    `earlier` is when the source had failed before, or `counted_at`.
    """

    uses: tuple[LimitedUse, ...]
    counted_at: datetime
    earlier: datetime

    async def undo(self, accounts: AccountsPorts) -> None:
        """As if it had never been made."""
        async with accounts.uow() as unit:
            await unit.failures.undo(
                self.identity, self.source, in_total=self.in_total, at=self.counted_at, earlier=self.earlier
            )
            await unit.commit()
        await accounts.rate_limits.give_back(*self.uses)


def free_failures(failures: Failures) -> int:
    return FREE_FAILURES if failures.total < SUSPICIOUS_FAILURES else 1


def delay(failures: Failures) -> float:
    """Seconds between the last failure and the next guess."""
    excess = failures.own - free_failures(failures)
    if excess < 0:
        return 0.0
    return min(FIRST_DELAY_SECONDS * DELAY_GROWTH**excess, FAILURE_MEMORY.total_seconds())


def wait(failures: Failures, now: datetime) -> float:
    """Seconds until the next guess is allowed."""
    return delay(failures) - (now - failures.last_failed_at).total_seconds()


def code_guesses(source: Source) -> str:
    """The name under which failures to guess a code are counted, apart from those to guess a password."""
    return f"code:{source.name}"


async def begin_password_guess(
    accounts: AccountsPorts, *, identity: Identity, source: Source, client: Client | None
) -> PasswordGuess:
    """Count a password that is about to be compared. Raises TooManyRequests, which counts nothing."""
    limits, name, now = accounts.rate_limits, f"password:{source.name}", accounts.now()

    def refused_for(failures: Failures) -> float:
        spent = failures.own if source.known else failures.total
        return HOUR_SECONDS if spent >= MOST_FAILURES else wait(failures, now)

    address_uses = address_failure(accounts, identity, source, client)
    uses = (*limits.attempts("password", identity, source.name), *address_uses)
    await limits.take("password", identity, *uses)
    async with accounts.uow() as unit:
        failures = await unit.failures.lock(identity, name, now=now)
        seconds = refused_for(failures)
        notice = None
        if seconds <= 0:
            notice = await count_failure(accounts, unit, identity, source, name, failures, now)
            await unit.commit()
    if seconds > 0:
        await limits.give_back(*uses)
        raise limits.refusal("password", identity, seconds)
    await queue_notice(accounts, notice)
    return PasswordGuess(identity, name, not source.known, address_uses, uses, now, failures.last_failed_at)


async def compare_password(
    accounts: AccountsPorts, guess: PasswordGuess, password: str, password_hash: str | None
) -> bool:
    """Whether the hash is of this password. Raises Overloaded, which counts nothing."""
    try:
        return await accounts.passwords.verify(password, password_hash)
    except Overloaded:
        await guess.undo(accounts)
        raise


def address_failure(
    accounts: AccountsPorts, identity: Identity, source: Source, client: Client | None
) -> tuple[LimitedUse, ...]:
    """One failure of the address, at this identity and at all; empty for a known device or a session."""
    if source.known or client is None:
        return ()
    return tuple(
        accounts.rate_limits.use(use, *who, limit=ADDRESS_FAILURES_PER_DAY, per=DAY_SECONDS)
        for use, who in (
            ("failures:identity", (client.address, str(identity))),
            ("failures", (client.address,)),
        )
    )


async def count_failure(
    accounts: AccountsPorts,
    unit: AccountsUnit,
    identity: Identity,
    source: Source,
    name: str,
    failures: Failures,
    now: datetime,
) -> UUID | None:
    """Count one more failure, at `now`; returns the id of the notice to the owner if earlier ones call for it.

    The same rows are written for an identity without an account: the delivery finds out that it has no owner.
    """
    await unit.failures.add(identity, name, at=now, in_total=not source.known)
    due = not source.known and failures.total >= NOTIFIED_FAILURES and not failures.notified
    if not due or accounts.code_delivery is None:
        return None
    notice_id = accounts.new_id()
    await unit.failures.mark_notified(identity, at=now)
    await unit.deliveries.put(Delivery(notice_id, identity, Notice.GUESSING, b"", now + NOTICE_LIFE))
    return notice_id


async def queue_notice(accounts: AccountsPorts, notice_id: UUID | None) -> None:
    """Queue the notice, after the commit."""
    if notice_id is not None and accounts.code_delivery is not None:
        await accounts.code_delivery.queue.put(notice_id)
