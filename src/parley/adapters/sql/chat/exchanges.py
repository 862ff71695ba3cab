"""The exchanges of a branch in SQL, as models are sent them: a range of the last run, then its ancestors."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, literal_column, select

from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.parents import above, parent_of
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages
from parley.core.chat.model import Exchange, Role, Status

_most = bindparam("most", type_=messages.c.position.type)
_room = bindparam("room", type_=Id)
_position = bindparam("position", type_=messages.c.position.type)
_last = messages.alias("last")
_run = select(_last.c.run).where(_last.c.room_id == _room, _last.c.position == _position).scalar_subquery()
_messages = select(
    messages.c.position, messages.c.role, messages.c.content, messages.c.status, parent_of[messages].label("parent_id")
)
_END_OF_BRANCH = Statement(
    _messages.where(messages.c.room_id == _room, messages.c.run == _run, messages.c.position <= _position)
    .order_by(messages.c.position.desc())
    .limit(_most)
)
_path = (
    _messages.add_columns(literal_column("1").label("number"))
    .where(messages.c.id == bindparam("newest", type_=Id))
    .cte("path", recursive=True)
)
_path = _path.union_all(
    select(above.c.position, above.c.role, above.c.content, above.c.status, parent_of[above], _path.c.number + 1)
    .select_from(_path.join(above, above.c.id == _path.c.parent_id))
    .where(_path.c.number < _most)
)
_ANCESTORS = Statement(
    select(_path.c.position, _path.c.role, _path.c.content, _path.c.status, _path.c.parent_id).order_by(
        _path.c.position.desc()
    )
)


async def read_exchanges(transaction: Transaction, room_id: UUID, *, last: int, limit: int) -> list[Exchange]:
    """As `Messages.exchanges`, in one statement or two."""
    # So many messages are at least `limit` whole exchanges.
    most = 2 * limit
    rows = await transaction.all(_END_OF_BRANCH, room=room_id, position=last, most=most)
    parent_id = rows[-1][-1] if rows else None
    if parent_id is not None and len(rows) < most:
        rows = [*rows, *await transaction.all(_ANCESTORS, newest=parent_id, most=most - len(rows))]
    return list(_pairs(rows))[:limit]


def _pairs(rows: Sequence[Any]) -> Iterator[Exchange]:
    """Each user's message with the answer behind it, newest first, as the rows are."""
    answered = None
    for position, role, content, status, _ in rows:
        if role != Role.USER.value:
            if answered is not None:
                yield answered
            answered = Exchange(position, None, content or None, Status(status))
        elif answered is not None:
            yield replace(answered, question=content)
            answered = None
        else:
            yield Exchange(position, content, None, Status(status))
    if answered is not None:
        yield answered
