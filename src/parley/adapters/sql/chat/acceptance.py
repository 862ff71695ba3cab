"""Accepting a message in one statement of PostgreSQL.

The statement sees the database as it was when it began, but changes rows as they are once it has their locks. What
counts is therefore decided on the locked row of the day's usage. Unfinished replies have no such row: their number is
at most that of the beginning, plus the messages that the day's usage has gained since. The head is that of the
beginning: a room that has another one by then is not changed. So is a room in which the idempotency key was used.
"""

from collections.abc import Collection
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
    exists,
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
from parley.adapters.sql.chat.quota import allowance
from parley.adapters.sql.chat.replies import unfinished
from parley.adapters.sql.chat.tree import head_position, room_then
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import NullRefused
from parley.adapters.sql.engine.statements import Statement, literals
from parley.adapters.sql.engine.tables import Id, Moment, idempotency_keys, messages, rooms, usage_days
from parley.core.chat.days import utc_day
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, Allowance, IdempotencyKey, Message
from parley.core.chat.naming import Naming

_account = bindparam("account", type_=Id)
_now = bindparam("now", type_=Moment)
_day = bindparam("day", type_=usage_days.c.day.type)
_most_pending = bindparam("most_pending", type_=usage_days.c.used.type)
_pending_before = select(func.count()).where(messages.c.account_id == _account, unfinished).scalar_subquery()
_used_before = func.coalesce(
    select(usage_days.c.used).where(usage_days.c.account_id == _account, usage_days.c.day == _day).scalar_subquery(), 0
)
_room_id = bindparam("room", type_=Id)
_head_position_before = (
    select(head_position[room_then])
    .where(room_then.c.id == _room_id, room_then.c.account_id == _account)
    .scalar_subquery()
)
# With a limit the planner expects one row, as the index holds. Otherwise it expects so many that it takes a plan for
# every use to be cheaper than one for all, and planning costs more than the rest.
_head = (
    select(messages.c.id, messages.c.run)
    .where(messages.c.room_id == _room_id, messages.c.position == _head_position_before)
    .limit(literal_column("1"))
    .subquery("head")
)
_before = (
    select(
        _pending_before.label("pending"),
        _used_before.label("used"),
        messages_per_day.label("limit"),
        _head_position_before.label("head_position"),
        _head.c.id.label("head_id"),
        _head.c.run.label("run"),
    )
    .select_from(select(literal_column("1")).subquery("always").outerjoin(_head, true()))
    .cte("before")
)
_pending, _used, _limit, _head_position, _head_id, _run = (select(column).scalar_subquery() for column in _before.c)
_parent = bindparam("question_parent_id", type_=Id)
_model = func.coalesce(
    bindparam("model", type_=String()), rooms.c.model, bindparam("default_model", type_=String()), type_=String()
)
_key = bindparam("key", type_=idempotency_keys.c.key.type)
_key_forgotten = idempotency_keys.c.used_at < bindparam("key_forgotten", type_=Moment)
_key_is_used = exists().where(idempotency_keys.c.room_id == _room_id, idempotency_keys.c.key == _key, ~_key_forgotten)
# First the room's lock, as everywhere. A message that is refused by what was before changes nothing.
_room = (
    update(rooms)
    .where(
        rooms.c.id == _room_id,
        rooms.c.account_id == _account,
        rooms.c.prompt.is_(None),
        rooms.c.naming != literals(Naming.NONE.value)[0],
        ~_key_is_used,
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
_key_columns = [idempotency_keys.c[name] for name in ("room_id", "key", "fingerprint", "reply_id", "used_at")]
_remembered = (
    upsert(idempotency_keys)
    .from_select(
        _key_columns,
        select(
            _room.c.id,
            _key,
            bindparam("fingerprint", type_=idempotency_keys.c.fingerprint.type),
            bindparam("reply_id", type_=Id),
            _now,
        ).where(_key.is_not(None)),
    )
    .on_conflict_do_update(
        index_elements=["room_id", "key"],
        set_={name: literal_column(f"excluded.{name}") for name in ("fingerprint", "reply_id", "used_at")},
        where=_key_forgotten,
    )
    .returning(idempotency_keys.c.room_id)
    .cte("remembered")
)
_no_fork = cast(null(), messages.c.first_sibling.type)
# Without quota or the key the position is NULL, which the table refuses, and with it the whole statement.
_position = case((
    and_(_quota.c.used.is_not(None), or_(_key.is_(None), _remembered.c.room_id.is_not(None))),
    _room.c.last_position,
))  # fmt: skip
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
                ).select_from(_room.outerjoin(_quota, true()).outerjoin(_remembered, true()))
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
        key: IdempotencyKey | None,
        offered: Collection[str],
        default_model: str,
        most_pending: int,
    ) -> tuple[Message, Message, Allowance] | None:
        day = utc_day(question.created_at)
        values: dict[str, Any] = {
            **added_values("question", question, account_id, None),
            **added_values("reply", reply, account_id, day),
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
                    offered=list(offered),
                    default_model=default_model,
                    now=question.created_at,
                    day=day,
                    most_pending=most_pending,
                    key=key and key.value,
                    fingerprint=key and key.fingerprint,
                    key_forgotten=question.created_at - IDEMPOTENCY_KEY_LIFE,
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
            allowance(limit, used, day),
        )
