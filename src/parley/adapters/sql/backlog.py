"""What waits in the database: one statement for each kind, over the indexes that workers use."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select

from parley.adapters.sql.billing.events import WAITING_EVENTS
from parley.adapters.sql.chat.replies import claimable
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import DatabaseFailed
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import customer_erasures, messages, messages_to_owners
from parley.adapters.sql.webhooks.deliveries import WAITING_DELIVERIES
from parley.core.backlog import Backlog, Waiting
from parley.core.chat.model import Role, Status
from parley.core.errors import Unavailable
from parley.core.webhooks.model import RETRY_SECONDS

_NOW = Statement(select(database_time()))
_BY_STATUS = Statement(select(messages.c.status, func.count()).where(unfinished).group_by(messages.c.status))
_before = messages.alias("before")
# Of the reply before it in its room.
_previous_ended_at = (
    select(_before.c.completed_at)
    .where(
        _before.c.room_id == messages.c.room_id,
        _before.c.position < messages.c.position,
        _before.c.role == Role.ASSISTANT.value,
    )
    .order_by(_before.c.position.desc())
    .limit(1)
    .correlate(messages)
    .scalar_subquery()
)
_due = select(messages.c.claimable_at, _previous_ended_at.label("previous_ended_at")).where(claimable).subquery()
# A reply that waited for the one before it in its room is due since that one ended.
_due_since = case((_due.c.previous_ended_at > _due.c.claimable_at, _due.c.previous_ended_at), else_=_due.c.claimable_at)
_DUE = Statement(select(func.count(), func.min(_due_since)))
_CODES = Statement(select(func.count(), func.min(messages_to_owners.c.claimable_at)))
_CUSTOMER_ERASURES = Statement(select(func.count()).select_from(customer_erasures))


class SqlBacklog:
    """A BacklogReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> Backlog:
        try:
            return await self._read()
        except DatabaseFailed as error:
            # A lost file of SQLite, and the empty one that it makes in its place.
            raise Unavailable from error

    async def _read(self) -> Backlog:
        async with self._database.transaction(read_only=True) as transaction:
            by_status = dict(await transaction.all(_BY_STATUS))
            now: datetime = await transaction.scalar(_NOW)
            return Backlog(
                pending=by_status.get(Status.PENDING.value, 0),
                generating=by_status.get(Status.GENERATING.value, 0),
                due=_waiting(await transaction.one_or_none(_DUE), now),
                codes=_waiting(await transaction.one_or_none(_CODES), now),
                events=_waiting(await transaction.one_or_none(WAITING_EVENTS), now),
                customer_erasures=await transaction.scalar(_CUSTOMER_ERASURES),
                deliveries=_waiting(_stored(await transaction.one_or_none(WAITING_DELIVERIES)), now),
            )


def _stored(row: Any) -> tuple[int, datetime | None]:
    count, gives_up_at = row
    return count, None if gives_up_at is None else gives_up_at - timedelta(seconds=RETRY_SECONDS)


def _waiting(row: Any, now: datetime) -> Waiting:
    count, since = row
    return Waiting(count, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
