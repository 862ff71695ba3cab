"""Making, listing and revoking API keys.

A key is 256 random bits, so a plain SHA-256 of it is stored: nobody can try enough keys for a slow hash to matter (NIST
SP 800-63B, 3.1.2.2, asks for one only below 112 bits).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.api_key_store import ApiKey
from parley.core.accounts.errors import ApiKeyNotFound, TooManyApiKeys
from parley.core.accounts.known_keys import KEY_PREFIX
from parley.core.accounts.model import AuditEvent, token_hash
from parley.core.errors import InvalidInput
from parley.core.text import check_text

KEY_NAME_CHARACTERS = 100
SHOWN_CHARACTERS = 10
MOST_KEYS = 50
# Bounds what can be written; a key without an expiry is valid for ever.
LONGEST_LIFE = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was made, and its secret, which is not stored."""

    key: ApiKey
    secret: str = field(repr=False)


async def make_key(accounts: AccountsPorts, *, account_id: UUID, name: str, expires_at: datetime | None) -> NewApiKey:
    """Raises InvalidInput for a bad name or a time of expiry that is not ahead, TooManyApiKeys, AccountGone."""
    now = accounts.now()
    check_text("name", name, longest=KEY_NAME_CHARACTERS)
    if expires_at is not None and not now < expires_at < now + LONGEST_LIFE:
        raise InvalidInput("expires_at", "must be in the future, and within 100 years")
    secret = KEY_PREFIX + accounts.new_token()
    key = ApiKey(
        id=accounts.new_id(),
        account_id=account_id,
        name=name,
        prefix=secret[:SHOWN_CHARACTERS],
        key_hash=token_hash(secret),
        created_at=now,
        expires_at=expires_at and expires_at.astimezone(UTC),
    )
    async with accounts.uow() as unit:
        if not await unit.api_keys.add(key, most=MOST_KEYS):
            raise TooManyApiKeys(MOST_KEYS)
        await unit.commit()
    accounts.audit.note(AuditEvent.API_KEY_MADE, account_id=account_id, api_key_id=key.id)
    return NewApiKey(key, secret)


async def read_keys(
    accounts: AccountsPorts, *, account_id: UUID, before: UUID | None, limit: int
) -> tuple[list[ApiKey], UUID | None]:
    """A page of the account's keys, newest first, and the `before` of the next page, if there is one."""
    async with accounts.uow(read_only=True) as unit:
        found = await unit.api_keys.page(account_id, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def owner_of_key(accounts: AccountsPorts, key_id: UUID) -> UUID | None:
    """Its account, for the audit trail: never for an answer to a client. None if there is no such key."""
    async with accounts.uow(read_only=True) as unit:
        return await unit.api_keys.owner(key_id)


async def revoke_key(accounts: AccountsPorts, *, account_id: UUID, key_id: UUID) -> None:
    """Remove a key of the account. Every process refuses it within a second. Raises ApiKeyNotFound."""
    now = accounts.now()
    async with accounts.uow() as unit:
        if not await unit.api_keys.remove(key_id, account_id):
            raise ApiKeyNotFound
        await accounts.revocations.write(unit, [key_id], now)
        await unit.commit()
    accounts.revocations.remember([key_id], now)
    accounts.audit.note(AuditEvent.API_KEY_REVOKED, account_id=account_id, api_key_id=key_id)


async def meter_key(accounts: AccountsPorts, *, key_id: UUID, unmetered: bool, by: str) -> ApiKey:
    """Let the key's conversations use up no quota, or quota again; only for the operator, whom `by` names.

    Processes know within LOOK_UP_SECONDS. Raises ApiKeyNotFound.
    """
    async with accounts.uow() as unit:
        key = await unit.api_keys.set_unmetered(key_id, unmetered=unmetered)
        if key is None:
            raise ApiKeyNotFound
        await unit.commit()
    how = "unmetered" if unmetered else "metered"
    accounts.audit.note(AuditEvent.API_KEY_CHANGED, account_id=key.account_id, api_key_id=key.id, how=how, by=by)
    return key
