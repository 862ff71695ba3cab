"""The exchanges of a branch in SQL, as models are sent them: a range of the last run, then its ancestors."""

from uuid import UUID

from sqlalchemy import bindparam, literal_column, select

from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.parents import above, asked, asked_above, parent_of
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages
from parley.core.chat.model import Exchange, Status

_most = bindparam("most", type_=messages.c.position.type)
_room = bindparam("room", type_=Id)
_position = bindparam("position", type_=messages.c.position.type)
_last = messages.alias("last")
_run = select(_last.c.run).where(_last.c.room_id == _room, _last.c.position == _position).scalar_subquery()
_parent_of_question = parent_of[asked].label("parent_id")
_exchanges = select(
    messages.c.position, asked.c.content.label("question"), messages.c.content, messages.c.status, _parent_of_question
).join(asked, asked.c.id == messages.c.reply_to)
_END_OF_BRANCH = Statement(
    _exchanges.where(messages.c.room_id == _room, messages.c.run == _run, messages.c.position <= _position)
    .order_by(messages.c.position.desc())
    .limit(_most)
)
_path = (
    _exchanges.add_columns(literal_column("1").label("number"))
    .where(messages.c.id == bindparam("newest", type_=Id))
    .cte("path", recursive=True)
)
_path = _path.union_all(
    select(
        above.c.position,
        asked_above.c.content,
        above.c.content,
        above.c.status,
        parent_of[asked_above],
        _path.c.number + 1,
    )
    .select_from(
        _path.join(above, above.c.id == _path.c.parent_id).join(asked_above, asked_above.c.id == above.c.reply_to)
    )
    .where(_path.c.number < _most)
)
_ANCESTORS = Statement(
    select(_path.c.position, _path.c.question, _path.c.content, _path.c.status, _path.c.parent_id).order_by(
        _path.c.position.desc()
    )
)


async def read_exchanges(transaction: Transaction, room_id: UUID, *, last: int, limit: int) -> list[Exchange]:
    """As `Messages.exchanges`, in one statement or two."""
    rows = await transaction.all(_END_OF_BRANCH, room=room_id, position=last, most=limit)
    parent_id = rows[-1][-1] if rows else None
    if parent_id is not None and len(rows) < limit:
        rows = [*rows, *await transaction.all(_ANCESTORS, newest=parent_id, most=limit - len(rows))]
    return [
        Exchange(position, question, answer or None, Status(status)) for position, question, answer, status, _ in rows
    ]
