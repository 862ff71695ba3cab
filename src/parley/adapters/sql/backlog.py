"""What waits in the database: one statement for each kind, over the indexes that workers use."""

from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select

from parley.adapters.sql.billing.events import WAITING_EVENTS
from parley.adapters.sql.chat.replies import claimable, unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import TableMissing
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import customer_erasures, deliveries, messages
from parley.core.backlog import Backlog, Waiting
from parley.core.chat.model import Status
from parley.core.errors import Unavailable

_NOW = Statement(select(database_time()))
_BY_STATUS = Statement(select(messages.c.status, func.count()).where(unfinished).group_by(messages.c.status))
_before = messages.alias("before")
# Each message takes two positions: its own and its reply's.
_previous = and_(_before.c.room_id == messages.c.room_id, _before.c.position == messages.c.position - 2)
_ended_later = and_(_before.c.completed_at.is_not(None), _before.c.completed_at > messages.c.claimable_at)
# A reply that waited for the one before it in its room is due since that one ended.
_due_since = case((_ended_later, _before.c.completed_at), else_=messages.c.claimable_at)
_DUE = Statement(
    select(func.count(), func.min(_due_since)).select_from(messages.outerjoin(_before, _previous)).where(claimable)
)
_CODES = Statement(select(func.count(), func.min(deliveries.c.claimable_at)))
_CUSTOMER_ERASURES = Statement(select(func.count()).select_from(customer_erasures))


class SqlBacklog:
    """A BacklogReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> Backlog:
        try:
            return await self._read()
        except TableMissing as error:
            # SQLite makes an empty file in place of a lost one.
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
            )


def _waiting(row: Any, now: datetime) -> Waiting:
    count, since = row
    return Waiting(count, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
