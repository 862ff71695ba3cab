"""Storage of which accounts are suspended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID


class Suspensions(Protocol):
    async def suspend(self, account_id: UUID, *, at: datetime) -> bool:
        """Suspend the account since `at`, unless it is suspended already. False when it is gone."""

    async def resume(self, account_id: UUID) -> bool:
        """End the suspension; a no-op without one. False when the account is gone."""

    async def latest(self, seconds: float | None) -> Mapping[UUID, bool]:
        """Whether each account is suspended that was suspended or resumed in the last `seconds` by the database's
        clock; with None, every one that is suspended."""

    async def has(self, account_id: UUID) -> bool:
        """Whether the account is suspended."""
