"""API keys and their storage. Times are aware and UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A secret that some routes accept instead of an access token of its account.

    Only a hash of it is stored. `prefix` is its beginning, by which its owner recognizes it. Without `expires_at` it
    is valid until it is revoked. `last_used_at` is exact to LAST_USE_SECONDS. The prompts of a key that the operator
    made `unmetered` use up no quota.
    """

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    key_hash: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    unmetered: bool = False


class ApiKeys(Protocol):
    async def add(self, key: ApiKey, *, most: int) -> bool:
        """Add the key. False, with nothing written, if the account has `most` keys.

        Other calls for the account wait until this unit of work ends, so that the number is exact. Comes before every
        other call that locks. Raises AccountGone.
        """

    async def find(self, key_hash: bytes) -> ApiKey | None:
        """The key with that hash, expired or not. None for an unknown or revoked one."""

    async def owner(self, key_id: UUID) -> UUID | None:
        """The account of the key, or None if there is no such key."""

    async def page(self, account_id: UUID, *, before: UUID | None, limit: int) -> list[ApiKey]:
        """The account's keys, newest first; with `before` only those older than that key."""

    async def note_use(self, key_id: UUID, *, at: datetime, unless_after: datetime) -> None:
        """Write the time of the last use, unless one after `unless_after` is there. A no-op when the key is gone."""

    async def set_unmetered(self, key_id: UUID, *, unmetered: bool) -> ApiKey | None:
        """The changed key, or None if there is no such key."""

    async def remove(self, key_id: UUID, account_id: UUID) -> bool:
        """False if the account has no such key."""

    async def remove_all(self, account_id: UUID) -> list[UUID]:
        """Remove all keys of the account; returns their ids."""

    async def forget_expired(self, now: datetime) -> int:
        """Remove expired keys; returns how many."""
