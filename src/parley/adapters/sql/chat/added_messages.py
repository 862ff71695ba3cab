"""Statements that add messages, and work out where in the tree those are.

The room is locked by then, and has reserved their positions.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, cast, func, insert, literal_column, null, select, union_all

from parley.adapters.sql.chat.tree import fork, is_fork
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, literals
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.core.chat.model import Charge, Message, Role

# As `added_values` gives them, for each message by its name.
added_columns = [
    messages.c[name]
    for name in (
        "id", "room_id", "account_id", "position", "role", "content", "status", "model", "reply_to", "created_at",
        "completed_at", "charged_on", "reserved_tokens", "plan",
    )
]  # fmt: skip
tree_columns = [messages.c[name] for name in ("parent_id", "run", "sibling", "forked_from", "first_sibling")]
written_columns = [*added_columns, *tree_columns, messages.c.claimable_at, messages.c.queued_at]

_number = messages.c.position.type
_zero, _one, _none = literal_column("0", _number), literal_column("1", _number), cast(null(), _number)
_room = bindparam("room", type_=Id)
# Of the first message that is added.
_position = bindparam("position", type_=_number)
_before = _position - _one
# The position of the head before the first of them was reserved.
head_before = (
    select(case((rooms.c.shown_since == _before, rooms.c.shown_position), else_=_before))
    .where(rooms.c.id == _room)
    .scalar_subquery()
)
_parent = (
    select(messages.c.id, messages.c.run, messages.c.position, messages.c.role)
    .where(
        messages.c.room_id == _room,
        messages.c.position == func.coalesce(bindparam("after", type_=_number), head_before),
    )
    .cte("parent")
)
_child = messages.alias("child")
_first_child = (
    select(func.min(_child.c.position))
    .where(_child.c.room_id == _room, _child.c.run == _parent.c.run, _child.c.position > _parent.c.position)
    .scalar_subquery()
)
_parent_id, _parent_run = (select(column).scalar_subquery() for column in (_parent.c.id, _parent.c.run))
_node = select(
    _parent_id.label("parent_id"),
    func.coalesce(_parent_run, _one).label("parent_run"),
    # Messages without a parent are siblings too, and the first one is at position 1.
    case((_parent_run.is_not(None), _first_child), (_position > _one, _one)).label("first_sibling"),
).cte("node")
_is_fork = _node.c.first_sibling.is_not(None)
_last_sibling = (
    select(func.max(fork.c.sibling))
    .where(
        fork.c.room_id == _room,
        fork.c.forked_from == _node.c.parent_run,
        fork.c.first_sibling == _node.c.first_sibling,
        is_fork,
    )
    .scalar_subquery()
)
_run = case((_is_fork, _position), else_=_node.c.parent_run)
# In the order of `tree_columns`.
_in_tree = (
    _node.c.parent_id,
    _run,
    case((_is_fork, func.coalesce(_last_sibling, _zero) + _one), else_=_zero),
    case((_is_fork, _node.c.parent_run)),
    _node.c.first_sibling,
)
_behind_question = (bindparam("question_id", type_=Id), _run, _zero, _none, _none)
_pending = (
    select(func.count()).where(messages.c.account_id == bindparam("account", type_=Id), unfinished).scalar_subquery()
)
# The times mean nothing in the user's row; being in both, one statement does.
_question_row, _reply_row, _other_reply_row = (
    select(
        *(bindparam(f"{message}_{column.name}", type_=column.type) for column in added_columns),
        *in_tree,
        database_time(),
        database_time(),
    )
    .select_from(_node)
    .where(_pending < bindparam("most_pending"))
    for message, in_tree in (("question", _in_tree), ("reply", _behind_question), ("reply", _in_tree))
)
_given_columns = {column.name: bindparam(f"given_{column.name}", type_=column.type) for column in added_columns}
_answers = case((
    and_(_given_columns["role"] == literals(Role.ASSISTANT.value)[0], _parent.c.role == literals(Role.USER.value)[0]),
    _parent.c.id,
))  # fmt: skip
# Returns the message that it answers, and as the others below.
ADD_GIVEN = Statement(
    insert(messages)
    .from_select(
        [*added_columns, messages.c.attempt, *tree_columns],
        select(
            *(_given_columns | {"reply_to": select(_answers).scalar_subquery()}).values(),
            bindparam("attempt", type_=messages.c.attempt.type),
            *_in_tree,
        ).select_from(_node),
    )
    .returning(messages.c.reply_to, messages.c.parent_id, messages.c.sibling)
)
# Both return whether the first message is a fork, and what its parent is.
ADD_EXCHANGE, ADD_REPLY = (
    Statement(
        insert(messages)
        .from_select(written_columns, rows)
        .returning(messages.c.id, messages.c.parent_id, messages.c.sibling)
    )
    for rows in (union_all(_question_row, _reply_row), _other_reply_row)
)


def added_values(name: str, message: Message, account_id: UUID, charge: Charge | None) -> dict[str, Any]:
    return {
        f"{name}_id": message.id,
        f"{name}_room_id": message.room_id,
        f"{name}_account_id": account_id,
        f"{name}_position": message.position,
        f"{name}_role": message.role.value,
        f"{name}_content": message.content,
        f"{name}_status": message.status.value,
        f"{name}_model": message.model,
        f"{name}_reply_to": message.reply_to,
        f"{name}_created_at": message.created_at,
        f"{name}_completed_at": message.completed_at,
        f"{name}_charged_on": charge and charge.on,
        f"{name}_reserved_tokens": (charge and charge.tokens) or None,
        f"{name}_plan": charge and charge.plan,
    }
