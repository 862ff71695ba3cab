"""Accepting a message in one statement of PostgreSQL.

The statement sees the database as it was when it began, but changes rows as they are once it has their locks. What
counts is therefore decided on the locked row of the day's usage. Unfinished replies have no such row: their number is
at most that of the beginning, plus the messages that the day's usage has gained since. The head is that of the
beginning: a room that has another one by then is not changed.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    String,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from parley.adapters.sql.billing.plans import PlanLimits, messages_per_day
from parley.adapters.sql.chat.added_messages import added_columns, added_values, written_columns
from parley.adapters.sql.chat.tree import head_position, room_then
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import NullRefused
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, Moment, messages, rooms, usage_days
from parley.core.chat.allowance import Allowance
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.model import Charge, Message, next_midnight, utc_day
from parley.core.chat.token_estimates import TokenEstimates

_account = bindparam("account", type_=Id)
_now = bindparam("now", type_=Moment)
_day = bindparam("day", type_=usage_days.c.day.type)
_most_pending = bindparam("most_pending", type_=usage_days.c.used.type)
_pending_before = select(func.count()).where(messages.c.account_id == _account, unfinished).scalar_subquery()
_used_before = func.coalesce(
    select(usage_days.c.used).where(usage_days.c.account_id == _account, usage_days.c.day == _day).scalar_subquery(), 0
)
_head = messages.alias("head")
_before = (
    select(
        _pending_before.label("pending"),
        _used_before.label("used"),
        messages_per_day.label("limit"),
        head_position[room_then].label("head_position"),
        _head.c.id.label("head_id"),
        _head.c.run.label("run"),
    )
    .select_from(
        room_then.outerjoin(
            _head, and_(_head.c.room_id == room_then.c.id, _head.c.position == head_position[room_then])
        )
    )
    .where(room_then.c.id == bindparam("room", type_=Id), room_then.c.account_id == _account)
    .cte("before")
)
_pending, _used, _limit, _head_position, _head_id, _run = (select(column).scalar_subquery() for column in _before.c)
_parent = bindparam("question_parent_id", type_=Id)
_model = func.coalesce(
    bindparam("model", type_=String()), rooms.c.model, bindparam("default_model", type_=String()), type_=String()
)
# First the room's lock, as everywhere. A message that is refused by what was before changes nothing.
_room = (
    update(rooms)
    .where(
        rooms.c.id == bindparam("room", type_=Id),
        rooms.c.account_id == _account,
        _model == any_(bindparam("offered", type_=ARRAY(String()))),
        head_position[rooms] == _head_position,
        or_(_parent.is_(None), _parent == _head_id),
        _pending < _most_pending,
        func.coalesce(_used < _limit, true()),
    )
    .values(
        last_position=rooms.c.last_position + 2,
        active_at=case((rooms.c.active_at > _now, rooms.c.active_at), else_=_now),
    )
    .returning(rooms.c.id, rooms.c.last_position, _model.label("model"))
    .cte("room")
)
_quota = (
    upsert(usage_days)
    .from_select(["account_id", "day", "used"], select(_account, _day, 1).select_from(_room))
    .on_conflict_do_update(
        index_elements=["account_id", "day"],
        set_={"used": usage_days.c.used + 1},
        where=and_(
            func.coalesce(usage_days.c.used < _limit, true()),
            _pending + usage_days.c.used - _used < _most_pending,
        ),
    )
    .returning(usage_days.c.used)
    .cte("quota")
)
_no_fork = cast(null(), messages.c.first_sibling.type)
# Without quota the position is NULL, which the table refuses, and with it the whole statement.
_position = case((_quota.c.used.is_not(None), _room.c.last_position))
_written = (
    insert(messages)
    .from_select(
        written_columns,
        union_all(
            *(
                select(
                    *(
                        given.get(column.name, bindparam(f"{message}_{column.name}", type_=column.type))
                        for column in added_columns
                    ),
                    parent_id,
                    # The first run is that of position 1.
                    func.coalesce(_run, literal_column("1")),
                    literal_column("0"),
                    _no_fork,
                    _no_fork,
                    database_time(),
                    database_time(),
                ).select_from(_room.outerjoin(_quota, true()))
                for message, given, parent_id in (
                    ("question", {"position": _position - 1}, _head_id),
                    ("reply", {"position": _position, "model": _room.c.model}, bindparam("question_id", type_=Id)),
                )
            )
        ),
    )
    .cte("written")
)
_ACCEPT = Statement(
    select(_room.c.last_position, _room.c.model, _head_id.label("head_id"), _quota.c.used, _limit)
    .select_from(_room.join(_quota, true()))
    .add_cte(_written)
)  # fmt: skip
_NOT_GIVEN = {"question_position", "reply_position", "reply_model"}


def sql_acceptance(database: Database, limits: PlanLimits) -> "SqlAcceptance | None":
    """None for SQLite."""
    return SqlAcceptance(database, limits) if database.one_statement_suffices else None


class SqlAcceptance:
    def __init__(self, database: Database, limits: PlanLimits) -> None:
        self._database = database
        self._limits = limits

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        catalogue: ModelCatalogue,
        most_pending: int,
        estimates: TokenEstimates,
    ) -> tuple[Message, Message, Allowance] | None:
        day = utc_day(question.created_at)
        values: dict[str, Any] = {
            **added_values("question", question, account_id, None),
            **added_values("reply", reply, account_id, Charge(day)),
        }
        try:
            async with self._database.transaction(single=True) as transaction:
                row = await transaction.one_or_none(
                    _ACCEPT,
                    **{name: value for name, value in values.items() if name not in _NOT_GIVEN},
                    room=question.room_id,
                    account=account_id,
                    model=reply.model,
                    question_parent_id=question.parent_id,
                    offered=list(catalogue.names),
                    default_model=catalogue.default,
                    now=question.created_at,
                    day=day,
                    most_pending=most_pending,
                    **self._limits.parameters,
                )
        except NullRefused:
            return None
        if row is None:
            return None
        last_position, model, head_id, used, limit = row
        return (
            replace(question, position=last_position - 1, parent_id=head_id),
            replace(reply, position=last_position, model=model, parent_id=question.id),
            Allowance(limit, None if limit is None else max(0, limit - used), next_midnight(day)),
        )
