"""Accepting a message in one statement of PostgreSQL.

The statement sees the database as it was when it began, but changes rows as they are once it has their locks. What
counts is therefore decided on the locked row of the day's usage. Unfinished replies have no such row: their number is
at most that of the beginning, plus the messages that the day's usage has gained since. The head is that of the
beginning: a room that has another one by then is not changed. So is a room in which the idempotency key was used.
"""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Float,
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

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.accepted_limits import (
    before,
    encode_models,
    used_tokens,
)
from parley.adapters.sql.chat.added_messages import added_columns, added_values, written_columns
from parley.adapters.sql.chat.quota import allowance
from parley.adapters.sql.chat.tree import head_position
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.failures import NullRefused
from parley.adapters.sql.engine.statements import Statement, literals
from parley.adapters.sql.engine.tables import Id, Moment, idempotency_keys, messages, rooms, usage_days
from parley.core.chat.allowance import Allowance
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.days import utc_day
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, Charge, IdempotencyKey, Message
from parley.core.chat.naming import Naming
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.plans import Plan
from parley.core.token_limits import Tokens, month_of, token_allowances

_account = bindparam("account", type_=Id)
_now = bindparam("now", type_=Moment)
_day = bindparam("day", type_=usage_days.c.day.type)
_room_id = bindparam("room", type_=Id)
_parent = bindparam("question_parent_id", type_=Id)
_model = func.coalesce(
    bindparam("model", type_=String()),
    rooms.c.model,
    before.c.default_model,
    bindparam("default_model", type_=String()),
    type_=String(),
)
# The branch, or at its beginning the instructions, then the message and its answer.
_tokens = case((
    before.c.limits_tokens,
    func.coalesce(
        before.c.head_tokens,
        cast(func.ceil(func.octet_length(rooms.c.instructions) / bindparam("token_bytes", type_=Float())), BigInteger),
        literal_column("0", BigInteger()),
    )
    + bindparam("own_tokens", type_=BigInteger()),
))  # fmt: skip
_key = bindparam("key", type_=idempotency_keys.c.key.type)
_key_forgotten = idempotency_keys.c.used_at < bindparam("key_forgotten", type_=Moment)
_key_is_used = exists().where(idempotency_keys.c.room_id == _room_id, idempotency_keys.c.key == _key, ~_key_forgotten)
_KEPT = {
    "plan", "head_id", "run", "tokens", "reserved", "reserved_of_day", "tokens_of_month", "reserved_of_month"
}  # fmt: skip
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
        func.coalesce(before.c.models.op("?", return_type=Boolean())(_model), true()),
        head_position[rooms] == before.c.head_position,
        or_(_parent.is_(None), _parent == before.c.head_reply_id),
        func.coalesce(before.c.used < before.c.most_used, true()),
        func.coalesce(before.c.all_tokens < before.c.most_tokens, true()),
    )
    .values(
        last_position=rooms.c.last_position + 2,
        active_at=case((rooms.c.active_at > _now, rooms.c.active_at), else_=_now),
    )
    .returning(
        rooms.c.id,
        rooms.c.last_position,
        _model.label("model"),
        _tokens.label("reserves"),
        *(column for column in before.c if column.name in _KEPT),
    )
    .cte("room")
)
_quota = (
    upsert(usage_days)
    .from_select(
        ["account_id", "day", "used", "reserved_tokens"],
        select(
            _account, _day, literal_column("1"), func.coalesce(_room.c.reserves, literal_column("0", BigInteger()))
        ).select_from(_room),
    )
    .on_conflict_do_update(
        index_elements=["account_id", "day"],
        set_={
            "used": usage_days.c.used + 1,
            "reserved_tokens": usage_days.c.reserved_tokens + literal_column("excluded.reserved_tokens", BigInteger()),
        },
        where=and_(
            func.coalesce(usage_days.c.used < select(before.c.most_used).scalar_subquery(), true()),
            func.coalesce(
                used_tokens + usage_days.c.reserved_tokens < select(before.c.most_tokens).scalar_subquery(), true()
            ),
        ),
    )
    .returning(usage_days.c.used, used_tokens.label("tokens"), usage_days.c.reserved_tokens)
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
_reply: dict[str, Any] = {
    "position": _position,
    "model": _room.c.model,
    "reserved_tokens": _room.c.reserves,
    "plan": _room.c.plan,
}
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
                    func.coalesce(_room.c.run, literal_column("1")),
                    literal_column("0"),
                    _no_fork,
                    _no_fork,
                    database_time(),
                    database_time(),
                ).select_from(_room.outerjoin(_quota, true()).outerjoin(_remembered, true()))
                for message, given, parent_id in (
                    ("question", {"position": _position - 1}, _room.c.head_id),
                    ("reply", _reply, bindparam("question_id", type_=Id)),
                )
            )
        ),
    )
    .cte("written")
)
_gained = _quota.c.reserved_tokens - _room.c.reserved
_ACCEPT = Statement(
    select(
        _room.c.last_position,
        _room.c.model,
        _room.c.head_id,
        _room.c.plan,
        _quota.c.used,
        _quota.c.tokens,
        _room.c.reserved_of_day + _gained,
        _room.c.tokens_of_month + _quota.c.tokens - _room.c.tokens,
        _room.c.reserved_of_month + _gained,
    )
    .select_from(_room.join(_quota, true()))
    .add_cte(_written)
)
_NOT_GIVEN = {"question_position", *(f"reply_{name}" for name in _reply)}


def sql_acceptance(database: Database, limits: PlanLimits) -> "SqlAcceptance | None":
    """None for SQLite."""
    return SqlAcceptance(database, limits) if database.one_statement_suffices else None


class SqlAcceptance:
    def __init__(self, database: Database, limits: PlanLimits) -> None:
        self._database = database
        self._limits = limits
        self._models: tuple[ModelCatalogue | None, str | None] = (None, None)

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        key: IdempotencyKey | None,
        catalogue: ModelCatalogue,
        most_pending: int,
        estimates: TokenEstimates,
    ) -> tuple[Message, Message, Allowance] | None:
        today = utc_day(question.created_at)
        values: dict[str, Any] = {
            **added_values("question", question, account_id, None),
            **added_values("reply", reply, account_id, Charge(today)),
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
                    plan_models=self._plan_models(catalogue),
                    now=question.created_at,
                    day=today,
                    month=month_of(today),
                    most_pending=most_pending,
                    own_tokens=estimates.of(question.content) + estimates.answer,
                    token_bytes=estimates.bytes_per_token,
                    key=key and key.value,
                    fingerprint=key and key.fingerprint,
                    key_forgotten=question.created_at - IDEMPOTENCY_KEY_LIFE,
                    **self._limits.parameters,
                )
        except NullRefused:
            return None
        if row is None:
            return None
        last_position, model, head_id, plan, used, *tokens = row
        return (
            replace(question, position=last_position - 1, parent_id=head_id),
            replace(reply, position=last_position, model=model, parent_id=question.id),
            _allowance(self._limits.plans.named(plan), today, used, *tokens),
        )

    def _plan_models(self, catalogue: ModelCatalogue) -> str | None:
        known, encoded = self._models
        if known is not catalogue:
            encoded = encode_models(self._limits.plans, catalogue)
            self._models = catalogue, encoded
        return encoded


def _allowance(
    plan: Plan, today: date, used: int, tokens: int, reserved: int, of_month: int | None, reserved_of_month: int
) -> Allowance:
    found = allowance(plan, used, today)
    if not plan.limits_tokens:
        return found
    month = Tokens(of_month or 0, reserved_of_month)
    return found.with_tokens(token_allowances(plan, today, day=Tokens(tokens, reserved), month=month))
