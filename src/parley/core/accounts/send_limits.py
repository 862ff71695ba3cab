"""How many codes are sent: to one mailbox, from one source, and by the whole installation.

Codes cost money, and mail servers lose their reputation by unwanted mail. So the installation has a budget an hour. To
keep it from being used up by one stranger, an address block gets a small share of it, and its known devices another
one, a country calling code a larger one, and what is left in the end is for known devices. A refused code counts for
nothing.
"""

from parley.core.accounts import AccountsPorts
from parley.core.accounts.guesses import code_guesses, wait
from parley.core.accounts.identity_rate_limits import BLOCKS_PER_IDENTITY, HOUR_SECONDS
from parley.core.accounts.mailboxes import mailbox_of
from parley.core.accounts.model import AuditEvent, Identity, IdentityKind, Purpose
from parley.core.accounts.sources import Client, Source, block_of
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.ports import LimitedUse

# Shares of the budget: of all sources that are not known together, and of one address block.
STRANGERS_SHARE = 0.8
BLOCK_SHARE = 0.1


def check_reached(accounts: AccountsPorts, identity: Identity) -> None:
    """Raises InvalidInput for an identity to which no code is sent, whether or not it has an account."""
    delivery = accounts.code_delivery
    if delivery is not None and identity.kind not in delivery.senders:
        reached = " or ".join(kind.value for kind in delivery.senders)
        raise InvalidInput(identity.kind.value, f"codes are not sent there: give {reached}")
    if identity.kind is IdentityKind.MOBILE_NUMBER:
        accounts.mobile_numbers.check_reached(identity.value)


async def count_send(
    accounts: AccountsPorts, *, identity: Identity, purpose: Purpose, source: Source, client: Client
) -> None:
    """Count a code that is about to be sent, for each of its limits. Raises TooManyRequests, which counts nothing."""
    limits, how = accounts.rate_limits, f"code:{purpose.value}"
    async with accounts.uow(read_only=True) as unit:
        seconds = wait(await unit.failures.read(identity, code_guesses(source), now=accounts.now()), accounts.now())
    if seconds > 0:
        raise limits.refusal(how, identity, seconds)
    uses = _by_mailbox(accounts, identity, purpose, source)
    budget = _budget(accounts, identity)
    if budget:
        share = max(accounts.code_policy.max_sends_per_hour, int(budget * BLOCK_SHARE))
        block = block_of(accounts, client).name
        # Apart, so that strangers of its network cost a known device nothing. Known devices have a share too: anybody
        # makes as many as they like, of accounts of their own.
        senders = "block:devices" if source.known else "block"
        uses.append(limits.use(f"sent:{identity.kind.value}:{senders}", block, limit=share, per=HOUR_SECONDS))
    await limits.take(how, identity, *uses)
    if budget:
        seconds = await limits.rate_limiter.take_all(*_of_budget(accounts, identity, source, budget))
        if seconds > 0:
            await limits.give_back(*uses)
            accounts.audit.note(AuditEvent.BUDGET_SPENT, identity=identity, how=identity.kind.value)
            raise TooManyRequests(seconds)


def _by_mailbox(accounts: AccountsPorts, identity: Identity, purpose: Purpose, source: Source) -> list[LimitedUse]:
    """By source first, and far above that by the mailbox: known devices and others apart from each other."""
    limits, policy, mailbox = accounts.rate_limits, accounts.code_policy, mailbox_of(identity)
    most = policy.max_sends_per_hour * BLOCKS_PER_IDENTITY
    together = "code:devices" if source.known else "code:identity"
    return [
        limits.use(f"code:{purpose.value}", mailbox, source.name, limit=1, per=policy.resend_seconds),
        limits.use("code:hour", mailbox, source.name, limit=policy.max_sends_per_hour, per=HOUR_SECONDS),
        limits.use(together, mailbox, limit=most, per=HOUR_SECONDS),
    ]


def _budget(accounts: AccountsPorts, identity: Identity) -> int:
    """The installation's budget an hour for messages to this kind of identity; 0 without one, or when none are sent."""
    if accounts.code_delivery is None:
        return 0
    policy = accounts.code_policy
    return policy.emails_per_hour if identity.kind is IdentityKind.EMAIL else policy.sms_per_hour


def _of_budget(accounts: AccountsPorts, identity: Identity, source: Source, budget: int) -> list[LimitedUse]:
    limits, kind = accounts.rate_limits, identity.kind.value
    shares = [("all", "", 1.0)]
    if not source.known:
        shares.append(("strangers", "", STRANGERS_SHARE))
        if identity.kind is IdentityKind.MOBILE_NUMBER:
            calling_code = accounts.mobile_numbers.calling_code(identity.value)
            shares.append(("country", calling_code, accounts.code_policy.country_share))
    return [
        limits.use(f"sent:{kind}:{name}", which, limit=max(1, int(budget * share)), per=HOUR_SECONDS)
        for name, which, share in shares
    ]
