"""The storage of the webhooks module. Leases and delays go by the database's clock."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from parley.core.webhooks.model import ClaimedDelivery, DeliveryRecord, DeliveryStatus


class Deliveries(Protocol):
    async def claim(self, endpoint: str, *, lease: float, limit: int) -> list[ClaimedDelivery]:
        """Claim up to `limit` due deliveries to the endpoint, the longest due first, and count the attempt of each.

        Others can claim them after `lease` seconds. Parallel callers get different ones.
        """

    async def delivered(self, delivery: ClaimedDelivery) -> None:
        """Mark it as delivered, also if another worker has claimed it meanwhile."""

    async def postpone(self, delivery: ClaimedDelivery, *, seconds: float, error: str) -> bool:
        """Make it due in `seconds`, or earlier for a last attempt RETRY_SECONDS after the event.

        False if that moment has passed: then the delivery has failed. A no-op that returns True if another worker has
        claimed it, or it has ended.
        """

    async def fail(self, delivery: ClaimedDelivery, *, error: str) -> None:
        """End it without another attempt. A no-op if another worker has claimed it, or it has ended."""

    async def release(self, delivery: ClaimedDelivery) -> None:
        """Make it due at once. A no-op if another worker has claimed it, or it has ended."""

    async def expire(self, *, limit: int) -> int:
        """Fail up to `limit` whose last attempt is an hour overdue: their endpoint is paused or removed."""

    async def forget(self, *, limit: int) -> int:
        """Remove up to `limit` that ended longer than MEMORY_SECONDS ago; returns how many."""

    async def page(self, *, status: DeliveryStatus | None, before: UUID | None, limit: int) -> list[DeliveryRecord]:
        """The newest with an id below `before`, newest first; with `status` only those."""

    async def redeliver(self, delivery_id: UUID) -> DeliveryRecord | None:
        """Make the delivery due at once, in any state, as if it were new. None for an unknown one."""


class WebhooksUnit(Protocol):
    """One transaction. Without `commit`, leaving it rolls everything back."""

    @property
    def deliveries(self) -> Deliveries: ...

    async def commit(self) -> None: ...


class WebhooksUnitOfWork(Protocol):
    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[WebhooksUnit]:
        """Open a transaction. A read-only one does not wait for writers and must not write."""
