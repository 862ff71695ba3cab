"""Storing events for the operator's servers, in the transaction of any module, in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import webhook_deliveries
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.outgoing_events import NewDelivery
from parley.core.webhooks.model import RETRY_SECONDS

_ADD = Upsert(
    webhook_deliveries,
    lambda insert: insert.values(
        claimable_at=database_time(),
        gives_up_at=database_time("retry_seconds"),
        **given("id", "event_id", "endpoint", "kind", "account_id", "occurred_at", "data", "personal"),
    ).on_conflict_do_nothing(index_elements=["event_id", "endpoint"]),
)
_HAS = Statement(select(webhook_deliveries.c.id).where(webhook_deliveries.c.event_id == bindparam("event")).limit(1))


class SqlOutgoingEvents(SqlStore):
    async def add(self, deliveries: Sequence[NewDelivery]) -> None:
        for delivery in deliveries:
            event = delivery.event
            await self._transaction.execute(
                _ADD,
                id=delivery.id,
                event_id=event.id,
                endpoint=delivery.endpoint,
                kind=event.kind.value,
                account_id=event.account_id,
                occurred_at=event.at,
                data=_json(event.data),
                personal=_json(event.personal) if event.personal else None,
                retry_seconds=RETRY_SECONDS,
            )

    async def has(self, event_id: UUID) -> bool:
        return await self._transaction.scalar(_HAS, event=event_id) is not None


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))
