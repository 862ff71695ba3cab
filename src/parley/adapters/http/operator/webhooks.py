"""HTTP endpoints with which the operator looks after webhooks."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import ACCOUNT_ID, DELIVERY_ID, EVENT_ID, described, example
from parley.adapters.http.operator.access import OPERATOR, AdminTokenInvalid
from parley.adapters.http.pagination import DeliveryCursor, Limit, NextCursor, id_cursor, read_id_cursor
from parley.adapters.http.ports import Ports
from parley.core.accounts.model import AuditEvent
from parley.core.webhooks.desk import DeliveryNotFound, read_deliveries, redeliver
from parley.core.webhooks.model import DeliveryRecord, DeliveryStatus

# As DeliveryStatus has them.
StatusName = Literal["pending", "delivered", "failed"]
StatusFilter = Annotated[
    StatusName | None, QueryParameter(description="Only deliveries of this status", examples=example("failed"))
]
DeliveryId = Annotated[UUID, PathParameter(description="The delivery's id", examples=example(DELIVERY_ID))]


class DeliveryBody(Struct):
    """A delivery of an event to one endpoint, without the event's content."""

    id: Annotated[UUID, described("The id of the delivery", DELIVERY_ID)]
    event_id: Annotated[UUID, described("What receivers get as `webhook-id`", EVENT_ID)]
    type: Annotated[str, described("The type of the event", "plan.changed")]
    endpoint: Annotated[
        str, described("The endpoint: its host and a part of its URL's hash", "hooks.example.com-1a2b3c4d")
    ]
    account_id: Annotated[UUID, described("The account that the event is about", ACCOUNT_ID)]
    occurred_at: Annotated[datetime, described("When it happened", "2026-11-21T09:30:00Z")]
    status: Annotated[StatusName, described("`failed`: nobody tries it any more", "pending")]
    attempts: Annotated[int, described("How often it was tried", 2)]
    last_error: Annotated[
        str | None, described("Why the latest attempt failed", "The endpoint answered with status 500.")
    ]
    next_attempt_at: Annotated[
        datetime | None, described("When it is tried next; null unless it is pending", "2026-11-21T09:35:05Z")
    ]
    ended_at: Annotated[datetime | None, described("When it was delivered or given up; null while it is pending", None)]


class DeliveryPage(Struct):
    """Deliveries of webhooks."""

    items: Annotated[list[DeliveryBody], described("The deliveries of this page")]
    next_cursor: NextCursor


class AdminWebhookController(Controller):
    path = "/webhooks"

    @get(
        operation_id="adminListWebhooks",
        summary="List the deliveries of webhooks",
        responses=problems(400, AdminTokenInvalid(), 404, 429, of_account=False),
    )
    async def list(
        self, ports: Ports, status: StatusFilter = None, limit: Limit = 50, cursor: DeliveryCursor = None
    ) -> DeliveryPage:
        """Newest first. Those that have ended are there for 7 days."""
        found, following = await read_deliveries(
            ports.webhooks, status=status and DeliveryStatus(status), before=read_id_cursor(cursor), limit=limit
        )
        accounts = tuple(dict.fromkeys(each.account_id for each in found))
        ports.accounts.audit.note(AuditEvent.WEBHOOKS_LISTED, by=OPERATOR, account_ids=accounts)
        return DeliveryPage([_body(each) for each in found], id_cursor(following))

    @post(
        "/{delivery_id:uuid}/redeliver",
        status_code=200,
        operation_id="adminRedeliverWebhook",
        summary="Deliver an event once more",
        responses=problems(400, AdminTokenInvalid(), DeliveryNotFound(), 429, of_account=False),
    )
    async def redeliver(self, delivery_id: DeliveryId, ports: Ports) -> DeliveryBody:
        """In any state: within a second, with all its retries, under the same `webhook-id`."""
        delivery = await redeliver(ports.webhooks, delivery_id=delivery_id)
        ports.accounts.audit.note(AuditEvent.WEBHOOK_REPEATED, account_id=delivery.account_id, by=OPERATOR)
        return _body(delivery)


def _body(record: DeliveryRecord) -> DeliveryBody:
    return DeliveryBody(
        id=record.id,
        event_id=record.event_id,
        type=record.kind,
        endpoint=record.endpoint,
        account_id=record.account_id,
        occurred_at=record.occurred_at,
        status=record.status.value,
        attempts=record.attempts,
        last_error=record.last_error,
        next_attempt_at=record.next_attempt_at,
        ended_at=record.ended_at,
    )
