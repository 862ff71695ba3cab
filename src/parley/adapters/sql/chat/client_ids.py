"""Ids that clients made, in SQL."""

from uuid import UUID

from sqlalchemy import bindparam, select, update

from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import messages, rooms
from parley.adapters.sql.engine.unit_of_work import SqlStore

_external = bindparam("external", type_=rooms.c.external_id.type)
_newest_first = (
    select(messages.c.id)
    .where(messages.c.room_id == bindparam("room"))
    .order_by(messages.c.position.desc())
    .limit(bindparam("most"))
)
_ROOM = Statement(
    select(rooms.c.id).where(rooms.c.account_id == bindparam("account"), rooms.c.external_id == _external)
)
_GIVE_ROOM = Statement(update(rooms).where(rooms.c.id == bindparam("room")).values(external_id=_external))
_MESSAGE = Statement(_newest_first.where(messages.c.external_id == _external))
_GIVE_MESSAGE = Statement(update(messages).where(messages.c.id == bindparam("message")).values(external_id=_external))
_NEWEST_REPLY = Statement(_newest_first.where(messages.c.reply_to == bindparam("question")))


class SqlClientIds(SqlStore):
    async def room(self, account_id: UUID, external_id: str) -> UUID | None:
        found: UUID | None = await self._transaction.scalar(_ROOM, account=account_id, external=external_id)
        return found

    async def give_room(self, room_id: UUID, external_id: str) -> None:
        await self._transaction.execute(_GIVE_ROOM, room=room_id, external=external_id)

    async def message(self, room_id: UUID, external_id: str) -> UUID | None:
        found: UUID | None = await self._transaction.scalar(_MESSAGE, room=room_id, external=external_id, most=1)
        return found

    async def give_message(self, message_id: UUID, external_id: str) -> None:
        await self._transaction.execute(_GIVE_MESSAGE, message=message_id, external=external_id)

    async def newest_reply(self, room_id: UUID, question_id: UUID) -> UUID | None:
        found: UUID | None = await self._transaction.scalar(_NEWEST_REPLY, room=room_id, question=question_id, most=1)
        return found
