"""What the statement of PostgreSQL that accepts a message finds when it begins: the plan, and what of it was used."""

import json

from sqlalchemy import BigInteger, String, bindparam, case, cast, func, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB

from parley.adapters.sql.billing.plans import plan_limits, plan_of_account
from parley.adapters.sql.chat.branch_tokens import tokens_up_to
from parley.adapters.sql.chat.tree import head_position, room_then
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.statements import literals
from parley.adapters.sql.engine.tables import Id, messages, usage_days
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.model import Role
from parley.core.plans import Plans

_account = bindparam("account", type_=Id)
_room = bindparam("room", type_=Id)
_day = bindparam("day", type_=usage_days.c.day.type)
_month = bindparam("month", type_=usage_days.c.day.type)
_one, _zero = literal_column("1", BigInteger()), literal_column("0", BigInteger())
# With a limit, or as MATERIALIZED, it is evaluated once, though several columns are made of it.
_plan = select(plan_of_account.label("name")).limit(_one).subquery("plan")
_said = (
    select(
        _plan.c.name,
        cast(plan_limits, JSONB).op("->", return_type=JSONB())(_plan.c.name).label("limits"),
        cast(bindparam("plan_models", type_=String()), JSONB)
        .op("->", return_type=JSONB())(_plan.c.name)
        .label("models"),
    )
    .select_from(_plan)
    .cte("said")
    .prefix_with("MATERIALIZED")
)
_per_day, _tokens_per_day, _tokens_per_month, _max_pending = (
    _said.c.limits[key].astext.cast(BigInteger)
    for key in literals("messages_per_day", "tokens_per_day", "tokens_per_month", "max_pending_replies")
)
_default, _names = literals("default", "names")
used_tokens = usage_days.c.input_tokens + usage_days.c.output_tokens
_today = (
    select(usage_days.c.used, used_tokens.label("tokens"), usage_days.c.reserved_tokens)
    .where(usage_days.c.account_id == _account, usage_days.c.day == _day)
    .limit(_one)
    .subquery("today")
)
_tokens_of_month = (
    select(func.sum(used_tokens)).where(usage_days.c.account_id == _account, usage_days.c.day >= _month)
).scalar_subquery()
_reserved = messages.c.reserved_tokens
_waiting = (
    select(
        func.count().label("replies"),
        func.sum(_reserved).filter(messages.c.charged_on == _day).label("reserved_of_day"),
        func.sum(_reserved).filter(messages.c.charged_on >= _month).label("reserved_of_month"),
    )
    .where(messages.c.account_id == _account, unfinished)
    .subquery("waiting")
)
_head_position = (
    select(head_position[room_then]).where(room_then.c.id == _room, room_then.c.account_id == _account)
).scalar_subquery()
# With a limit the planner expects one row, as the index holds. Otherwise it expects so many that it takes a plan for
# every use to be cheaper than one for all, and planning costs more than the rest.
_head = (
    select(messages.c.id, messages.c.role, messages.c.run, tokens_up_to[messages].label("tokens"))
    .where(messages.c.room_id == _room, messages.c.position == _head_position)
    .limit(_one)
    .subquery("head")
)
_used, _tokens, _reserved_before, _of_day, _of_month = (
    func.coalesce(column, _zero)
    for column in (
        _today.c.used,
        _today.c.tokens,
        _today.c.reserved_tokens,
        cast(_waiting.c.reserved_of_day, BigInteger),
        cast(_waiting.c.reserved_of_month, BigInteger),
    )
)
_used_of_month = case((_tokens_per_month.is_not(None), cast(func.coalesce(_tokens_of_month, _zero), BigInteger)))
# `most_used` and `most_tokens` are what the day's row must be below when it is locked: what is free, added to what the
# row had when the statement began. NULL is no limit.
before = (
    select(
        _said.c.name.label("plan"),
        or_(_tokens_per_day.is_not(None), _tokens_per_month.is_not(None)).label("limits_tokens"),
        _said.c.models[_default].astext.label("default_model"),
        _said.c.models.op("->", return_type=JSONB())(_names).label("models"),
        _used.label("used"),
        func.least(
            _per_day,
            func.coalesce(_max_pending, bindparam("most_pending", type_=BigInteger())) - _waiting.c.replies + _used,
            type_=BigInteger(),
        ).label("most_used"),
        (_tokens + _reserved_before).label("all_tokens"),
        (
            func.least(
                _tokens_per_day - _tokens - _of_day, _tokens_per_month - _used_of_month - _of_month, type_=BigInteger()
            )
            + _tokens
            + _reserved_before
        ).label("most_tokens"),
        _tokens.label("tokens"),
        _reserved_before.label("reserved"),
        _of_day.label("reserved_of_day"),
        _used_of_month.label("tokens_of_month"),
        _of_month.label("reserved_of_month"),
        _head_position.label("head_position"),
        _head.c.id.label("head_id"),
        case((_head.c.role == literals(Role.ASSISTANT.value)[0], _head.c.id)).label("head_reply_id"),
        _head.c.run.label("run"),
        _head.c.tokens.label("head_tokens"),
    )
    .select_from(_said.join(_waiting, true()).outerjoin(_today, true()).outerjoin(_head, true()))
    .cte("before")
)


def encode_models(plans: Plans, catalogue: ModelCatalogue) -> str | None:
    """The parameter `plan_models`: each plan's default model and the names of its models; None if all have all."""
    names = {plan: catalogue.offered_to(plan) for plan in plans}
    if all(each == catalogue.names for each in names.values()):
        return None
    return json.dumps({
        plan.name: {"default": catalogue.default_of(plan), "names": dict.fromkeys(each, 1)}
        for plan, each in names.items()
    })  # fmt: skip
