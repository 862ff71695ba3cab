"""What the operator sees of deliveries, and may repeat."""

from uuid import UUID

from parley.core.errors import DomainError, Kind
from parley.core.webhooks import WebhooksPorts
from parley.core.webhooks.model import DeliveryRecord, DeliveryStatus


class DeliveryNotFound(DomainError):
    """There is no such delivery, or it ended so long ago that it was removed."""

    code = "delivery_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such delivery of a webhook."


async def read_deliveries(
    webhooks: WebhooksPorts, *, status: DeliveryStatus | None, before: UUID | None, limit: int
) -> tuple[list[DeliveryRecord], UUID | None]:
    """A page of deliveries, newest first, and the `before` of the next page, if there is one."""
    async with webhooks.uow(read_only=True) as unit:
        found = await unit.deliveries.page(status=status, before=before, limit=limit + 1)
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def redeliver(webhooks: WebhooksPorts, *, delivery_id: UUID) -> DeliveryRecord:
    """Deliver once more, under the event's id, with all retries. Raises DeliveryNotFound."""
    async with webhooks.uow() as unit:
        delivery = await unit.deliveries.redeliver(delivery_id)
        await unit.commit()
    if delivery is None:
        raise DeliveryNotFound
    return delivery
