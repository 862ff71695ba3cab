"""The port of idempotency keys: which request a client has sent before."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.chat.model import IdempotencyKey


class IdempotencyKeys(Protocol):
    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        """Bind the key to the reply and return None, or return the reply and fingerprint of its first use.

        Of concurrent callers exactly one binds; the others wait for the end of that unit of work. A use older than
        IDEMPOTENCY_KEY_LIFE does not count.
        """

    async def forget_before(self, moment: datetime) -> int:
        """Delete bindings made before `moment`; returns how many."""
