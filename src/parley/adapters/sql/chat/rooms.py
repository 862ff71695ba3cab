"""Rooms in SQL. Statements of every message are built once: building one costs as much as running it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, case, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.tables import Id, Moment, accounts, rooms
from parley.core.chat.model import Room, RoomCursor

_columns = (
    rooms.c.id,
    rooms.c.account_id,
    rooms.c.name,
    rooms.c.model,
    rooms.c.instructions,
    rooms.c.created_at,
    rooms.c.active_at,
)
_this_room = (rooms.c.id == bindparam("room", type_=Id), rooms.c.account_id == bindparam("account", type_=Id))
_at = bindparam("at", type_=Moment)
_GET = select(*_columns).where(*_this_room)
_FIRST_PAGE = (
    select(*_columns)
    .where(rooms.c.account_id == bindparam("account", type_=Id))
    .order_by(rooms.c.active_at.desc(), rooms.c.id.desc())
    .limit(bindparam("most"))
)
_RESERVE = (
    update(rooms)
    .where(*_this_room)
    # Clocks of two machines may differ: activity never goes back.
    .values(
        last_position=rooms.c.last_position + 2, active_at=case((rooms.c.active_at > _at, rooms.c.active_at), else_=_at)
    )
    .returning(*_columns, rooms.c.last_position)
)


class SqlRooms:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, room: Room) -> None:
        # FOR SHARE waits for an erasure, which has locked the rooms that it knows and must not miss this one.
        await self._connection.execute(
            select(accounts.c.id).where(accounts.c.id == room.account_id).with_for_update(read=True)
        )
        await self._connection.execute(
            insert(rooms).values(
                id=room.id,
                account_id=room.account_id,
                name=room.name,
                model=room.model,
                instructions=room.instructions,
                created_at=room.created_at,
                active_at=room.active_at,
            )
        )

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None:
        found = await self._connection.execute(_GET, {"room": room_id, "account": account_id})
        row = found.one_or_none()
        return None if row is None else Room(*row)

    async def page(self, account_id: UUID, *, after: RoomCursor | None, limit: int) -> list[Room]:
        query = _FIRST_PAGE
        if after is not None:
            query = query.where(tuple_(rooms.c.active_at, rooms.c.id) < (after.active_at, after.room_id))
        found = await self._connection.execute(query, {"account": account_id, "most": limit})
        return [Room(*row) for row in found]

    async def ids(self, account_id: UUID) -> list[UUID]:
        found = await self._connection.execute(
            select(rooms.c.id).where(rooms.c.account_id == account_id).order_by(rooms.c.id)
        )
        return list(found.scalars())

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        values = {field: getattr(room, field) for field in fields & {"name", "model", "instructions"}}
        if not values:
            return await self.get(room.id, room.account_id) is not None
        saved = await self._connection.execute(
            update(rooms).where(rooms.c.id == room.id, rooms.c.account_id == room.account_id).values(values)
        )
        return saved.rowcount == 1

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        deleted = await self._connection.execute(
            delete(rooms).where(rooms.c.id == room_id, rooms.c.account_id == account_id)
        )
        return deleted.rowcount == 1

    async def reserve(self, room_id: UUID, account_id: UUID, *, at: datetime) -> tuple[Room, int] | None:
        reserved = await self._connection.execute(_RESERVE, {"room": room_id, "account": account_id, "at": at})
        row = reserved.one_or_none()
        return None if row is None else (Room(*row[:-1]), row.last_position - 1)
