"""API keys in memory."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from parley.core.accounts.api_key_store import ApiKey
from parley.core.errors import AccountGone
from tests.fakes.database import Tables, add, delete_where


class FakeApiKeys:
    def __init__(self, tables: Tables) -> None:
        self._accounts = tables.accounts
        self._keys = tables.api_keys

    async def add(self, key: ApiKey, *, most: int) -> bool:
        if key.account_id not in self._accounts:
            raise AccountGone
        if len(self._of(key.account_id)) >= most:
            return False
        add(self._keys, key.id, key)
        return True

    async def find(self, key_hash: bytes) -> ApiKey | None:
        return next((key for key in self._keys.values() if key.key_hash == key_hash), None)

    async def owner(self, key_id: UUID) -> UUID | None:
        return self._keys[key_id].account_id if key_id in self._keys else None

    async def page(self, account_id: UUID, *, before: UUID | None, limit: int) -> list[ApiKey]:
        found = [key for key in self._of(account_id) if before is None or key.id < before]
        return sorted(found, key=lambda key: key.id, reverse=True)[:limit]

    async def note_use(self, key_id: UUID, *, at: datetime, unless_after: datetime) -> None:
        key = self._keys.get(key_id)
        if key is not None and (key.last_used_at is None or key.last_used_at <= unless_after):
            self._keys[key_id] = replace(key, last_used_at=at)

    async def set_unmetered(self, key_id: UUID, *, unmetered: bool) -> ApiKey | None:
        if key_id not in self._keys:
            return None
        self._keys[key_id] = replace(self._keys[key_id], unmetered=unmetered)
        return self._keys[key_id]

    async def remove(self, key_id: UUID, account_id: UUID) -> bool:
        return bool(delete_where(self._keys, lambda key: key.id == key_id and key.account_id == account_id))

    async def remove_all(self, account_id: UUID) -> list[UUID]:
        removed = [key.id for key in self._of(account_id)]
        delete_where(self._keys, lambda key: key.account_id == account_id)
        return removed

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._keys, lambda key: key.expires_at is not None and key.expires_at <= now)

    def _of(self, account_id: UUID) -> list[ApiKey]:
        return [key for key in self._keys.values() if key.account_id == account_id]
