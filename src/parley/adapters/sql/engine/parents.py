"""The message before another one on its branch. Messages of older releases get it as their parent here."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, select, update

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages

BATCH = 5_000

above = messages.alias("above")
_previous = messages.alias("previous")
parent_of: dict[Any, ColumnElement[UUID | None]] = {
    message: func.coalesce(
        message.c.parent_id,
        message.c.reply_to,
        select(_previous.c.id)
        .where(
            _previous.c.room_id == message.c.room_id,
            _previous.c.run == message.c.run,
            _previous.c.position < message.c.position,
        )
        .order_by(_previous.c.position.desc())
        .limit(1)
        .correlate(message)
        .scalar_subquery(),
        type_=Id,
    )
    for message in (messages, above)
}

_without = messages.alias("without")
_FILL = Statement(
    update(messages)
    .where(
        messages.c.id.in_(
            select(_without.c.id)
            .where(
                _without.c.id > bindparam("after", type_=Id),
                _without.c.parent_id.is_(None),
                _without.c.position > _without.c.run,
            )
            .order_by(_without.c.id)
            .limit(bindparam("most"))
            # Waiting for one row while holding others could deadlock with the erasure of an account.
            .with_for_update(skip_locked=True)
        )
    )
    .values(parent_id=parent_of[messages])
    .returning(messages.c.id)
)


async def fill_parents(database: Database, *, batch: int = BATCH) -> None:
    """Every message that has no parent, and is not the first one of its run, gets the one before it in that run.

    `batch` is how many messages one transaction changes at most.

    Repeating it is harmless, and so is doing it in several processes at once. What another transaction has locked is
    left out.
    """
    last = UUID(int=0)
    while True:
        async with database.transaction() as transaction:
            filled = await transaction.scalars(_FILL, after=last, most=batch)
            await transaction.commit()
        if not filled:
            return
        last = max(filled)
