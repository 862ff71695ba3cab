"""What waits in the database: one statement for each kind, over the indexes that workers use."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from parley.adapters.sql.billing.events import SqlEvents
from parley.adapters.sql.chat.replies import claimable, unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import customer_erasures, deliveries, messages
from parley.core.backlog import Backlog, Waiting
from parley.core.chat.model import Status
from parley.core.errors import Unavailable

_before = messages.alias("before")


class SqlBacklog:
    """A BacklogReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> Backlog:
        try:
            return await self._read()
        except SQLAlchemyError as error:
            # SQLite makes an empty file in place of a lost one.
            raise Unavailable from error

    async def _read(self) -> Backlog:
        async with self._database.transaction(read_only=True) as connection:
            by_status = {row.status: row.replies for row in await connection.execute(_BY_STATUS)}
            now: datetime = (await connection.execute(select(database_time()))).scalar_one()
            return Backlog(
                pending=by_status.get(Status.PENDING.value, 0),
                generating=by_status.get(Status.GENERATING.value, 0),
                due=_waiting((await connection.execute(_DUE)).one(), now),
                codes=_waiting((await connection.execute(_CODES)).one(), now),
                events=_waiting(await SqlEvents(connection).waiting(), now),
                customer_erasures=(await connection.execute(_CLOSURES)).scalar_one(),
            )


def _due() -> Select[int, datetime]:
    """A reply that waited for the one before it in its room is due since that one ended."""
    ended_later = and_(_before.c.completed_at.is_not(None), _before.c.completed_at > messages.c.claimable_at)
    since = case((ended_later, _before.c.completed_at), else_=messages.c.claimable_at)
    # Each message takes two positions: its own and its reply's.
    previous = and_(_before.c.room_id == messages.c.room_id, _before.c.position == messages.c.position - 2)
    return select(func.count(), func.min(since)).select_from(messages.outerjoin(_before, previous)).where(claimable)


_BY_STATUS = select(messages.c.status, func.count().label("replies")).where(unfinished).group_by(messages.c.status)
_DUE = _due()
_CODES = select(func.count(), func.min(deliveries.c.claimable_at))
_CLOSURES = select(func.count()).select_from(customer_erasures)


def _waiting(found: Iterable[Any], now: datetime) -> Waiting:
    count, since = found
    return Waiting(count, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
