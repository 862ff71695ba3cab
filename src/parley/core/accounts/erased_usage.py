"""The usage of an erased account, which counts for the next account of the same mailbox or number.

Otherwise erasing an account and signing up again would begin a new quota, as often as one likes. A keyed hash with
numbers of each day remains until midnight UTC, or until the month ends if a plan limits tokens by the month.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.mailboxes import mailbox_of
from parley.core.accounts.model import Identity, keyed_hash
from parley.core.accounts.stores import AccountsUnit
from parley.core.token_limits import month_of


async def store_usage(
    accounts: AccountsPorts, unit: AccountsUnit, *, account_id: UUID, identity: Identity, now: datetime
) -> None:
    """In the unit of work of the erasure, while the account is locked: no message can be debited after this."""
    owner = _owner(accounts.usage_keys[0], identity)
    await unit.erased_usage.store(account_id, owner, since=usage_since(accounts, now))


async def restore_usage(
    accounts: AccountsPorts, unit: AccountsUnit, *, account_id: UUID, identity: Identity, now: datetime
) -> None:
    """In the unit of work that adds the account, whose first message is debited after that."""
    for key in accounts.usage_keys:
        await unit.erased_usage.restore(account_id, _owner(key, identity), since=usage_since(accounts, now))


def usage_since(accounts: AccountsPorts, now: datetime) -> date:
    """The first day whose usage still counts."""
    today = now.astimezone(UTC).date()
    return month_of(today) if accounts.usage_counts_for_month else today


def _owner(key: bytes, identity: Identity) -> bytes:
    return keyed_hash(key, "owner", mailbox_of(identity))
