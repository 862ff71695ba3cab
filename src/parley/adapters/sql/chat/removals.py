"""Deleting the last message of a branch in SQL, with what refers to its position."""

from uuid import UUID

from sqlalchemy import BindParameter, bindparam, delete, select, update

from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.search_tables import search_queue, search_texts
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import messages, rooms, shares

_room: BindParameter[UUID] = bindparam("room")
_position: BindParameter[int] = bindparam("at")
_DELETE = Statement(delete(messages).where(messages.c.room_id == _room, messages.c.position == _position))
# Waits for the indexer, which has locked the row if it has read the text: what it adds to the index is forgotten then.
_DEQUEUE = Statement(
    delete(search_queue).where(
        search_queue.c.account_id == select(rooms.c.account_id).where(rooms.c.id == _room).scalar_subquery(),
        search_queue.c.room_id == _room,
        search_queue.c.position == _position,
    )
)
_FORGET_TEXT = Statement(
    delete(search_texts).where(search_texts.c.room_id == _room, search_texts.c.position == _position)
)
_SHORTEN_COPY = Statement(
    update(shares)
    .where(shares.c.room_id == _room, shares.c.last_position == _position)
    .values(last_position=bindparam("after"))
)


async def remove_message(transaction: Transaction, room_id: UUID, position: int, *, after: int) -> None:
    """As `Messages.remove`."""
    await transaction.execute(_DELETE, room=room_id, at=position)
    await transaction.execute(_DEQUEUE, room=room_id, at=position)
    await transaction.execute(_FORGET_TEXT, room=room_id, at=position)
    await transaction.execute(_SHORTEN_COPY, room=room_id, at=position, after=after)
