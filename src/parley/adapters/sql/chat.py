"""Rooms and messages in SQL. What a claim of a reply does is in replies.py."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.clock import database_time
from parley.adapters.sql.database import Database
from parley.adapters.sql.quota import SqlQuota
from parley.adapters.sql.replies import SqlReplies
from parley.adapters.sql.tables import idempotency_keys, messages, rooms
from parley.core.chat.model import (
    IDEMPOTENCY_KEY_LIFE,
    IdempotencyKey,
    Message,
    ReplyError,
    Role,
    Room,
    RoomCursor,
    Status,
    TokenUsage,
    Turn,
)
from parley.core.chat.ports import ChatUnit

_room_columns = (
    rooms.c.id,
    rooms.c.account_id,
    rooms.c.name,
    rooms.c.model,
    rooms.c.instructions,
    rooms.c.created_at,
    rooms.c.active_at,
)
_message_columns = [column for column in messages.c if column.name not in {"claimable_at", "queued_at", "charged_on"}]
_sayable = or_(
    messages.c.role == Role.USER.value, messages.c.status.in_([Status.COMPLETED.value, Status.STOPPED.value])
)


class SqlChatUnitOfWork:
    """Transactions over one database. `basic_limit` is the Basic plan's messages a day."""

    def __init__(self, database: Database, *, basic_limit: int) -> None:
        self._database = database
        self._basic_limit = basic_limit

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._database.transaction(read_only=read_only) as connection:
            yield SqlChatUnit(connection, basic_limit=self._basic_limit)


class SqlChatUnit:
    """The repositories of one transaction."""

    def __init__(self, connection: AsyncConnection, *, basic_limit: int) -> None:
        self._connection = connection
        self.rooms = SqlRooms(connection)
        self.messages = SqlMessages(connection)
        self.replies = SqlReplies(connection)
        self.quota = SqlQuota(connection, basic_limit=basic_limit)
        self.idempotency_keys = SqlIdempotencyKeys(connection)

    async def commit(self) -> None:
        await self._connection.commit()


class SqlRooms:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, room: Room) -> None:
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
        found = await self._connection.execute(
            select(*_room_columns).where(rooms.c.id == room_id, rooms.c.account_id == account_id)
        )
        row = found.one_or_none()
        return None if row is None else Room(*row)

    async def page(self, account_id: UUID, *, after: RoomCursor | None, limit: int) -> list[Room]:
        query = select(*_room_columns).where(rooms.c.account_id == account_id)
        if after is not None:
            query = query.where(tuple_(rooms.c.active_at, rooms.c.id) < (after.active_at, after.room_id))
        found = await self._connection.execute(query.order_by(rooms.c.active_at.desc(), rooms.c.id.desc()).limit(limit))
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
        reserved = await self._connection.execute(
            update(rooms)
            .where(rooms.c.id == room_id, rooms.c.account_id == account_id)
            # Clocks of two machines may differ: activity never goes back.
            .values(
                last_position=rooms.c.last_position + 2,
                active_at=case((rooms.c.active_at > at, rooms.c.active_at), else_=at),
            )
            .returning(*_room_columns, rooms.c.last_position)
        )
        row = reserved.one_or_none()
        return None if row is None else (Room(*row[:-1]), row.last_position - 1)


class SqlMessages:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_exchange(self, question: Message, reply: Message, *, account_id: UUID, charged_on: date) -> None:
        said = _message_values(question, account_id) | {"charged_on": None}
        awaited = _message_values(reply, account_id) | {"charged_on": charged_on}
        # The times mean nothing in the user's row; being in both, one statement does.
        await self._connection.execute(
            insert(messages).values(claimable_at=database_time(), queued_at=database_time()), [said, awaited]
        )

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        found = await self._connection.execute(
            select(*_message_columns).where(
                messages.c.id == message_id, messages.c.room_id == room_id, messages.c.account_id == account_id
            )
        )
        row = found.one_or_none()
        return None if row is None else _message(row)

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        question = select(messages.c.reply_to).where(messages.c.id == reply_id).scalar_subquery()
        found = await self._connection.execute(
            select(*_message_columns)
            .where(or_(messages.c.id == reply_id, messages.c.id == question))
            .order_by(messages.c.position)
        )
        both = [_message(row) for row in found]
        return (both[0], both[1]) if len(both) == 2 else None  # noqa: PLR2004  a pair

    async def page(self, room_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        query = select(*_message_columns).where(messages.c.room_id == room_id)
        if before is not None:
            query = query.where(messages.c.position < before)
        found = await self._connection.execute(query.order_by(messages.c.position.desc()).limit(limit))
        return [_message(row) for row in reversed(found.all())]

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        found = await self._connection.execute(
            select(*_message_columns)
            .where(messages.c.room_id == room_id, messages.c.position > position)
            .order_by(messages.c.position)
            .limit(limit)
        )
        return [_message(row) for row in found]

    async def said_before(self, room_id: UUID, position: int, *, limit: int) -> list[tuple[int, Turn]]:
        found = await self._connection.execute(
            select(messages.c.position, messages.c.role, messages.c.content)
            .where(messages.c.room_id == room_id, messages.c.position < position, _sayable, messages.c.content != "")
            .order_by(messages.c.position.desc())
            .limit(limit)
        )
        return [(row.position, Turn(Role(row.role), row.content)) for row in found]


class SqlIdempotencyKeys:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        use = {"reply_id": reply_id, "fingerprint": key.fingerprint, "used_at": at}
        bound = await self._connection.execute(
            self._insert(idempotency_keys)
            .values(room_id=room_id, key=key.value, **use)
            .on_conflict_do_update(
                index_elements=["room_id", "key"],
                set_=use,
                where=idempotency_keys.c.used_at < at - IDEMPOTENCY_KEY_LIFE,
            )
        )
        if bound.rowcount == 1:
            return None
        first_use = await self._connection.execute(
            select(idempotency_keys.c.reply_id, idempotency_keys.c.fingerprint).where(
                idempotency_keys.c.room_id == room_id, idempotency_keys.c.key == key.value
            )
        )
        row = first_use.one()
        return row.reply_id, row.fingerprint

    async def forget_before(self, moment: datetime) -> int:
        forgotten = await self._connection.execute(delete(idempotency_keys).where(idempotency_keys.c.used_at < moment))
        return forgotten.rowcount


def _message_values(message: Message, account_id: UUID) -> dict[str, Any]:
    return {
        "id": message.id,
        "room_id": message.room_id,
        "account_id": account_id,
        "position": message.position,
        "role": message.role.value,
        "content": message.content,
        "status": message.status.value,
        "model": message.model,
        "reply_to": message.reply_to,
        "created_at": message.created_at,
        "completed_at": message.completed_at,
    }


def _message(row: Row[Any]) -> Message:
    usage = None if row.input_tokens is None else TokenUsage(row.input_tokens, row.output_tokens)
    error = None if row.error_code is None else ReplyError(row.error_code, row.error_detail)
    return Message(
        id=row.id,
        room_id=row.room_id,
        role=Role(row.role),
        content=row.content,
        status=Status(row.status),
        created_at=row.created_at,
        position=row.position,
        model=row.model,
        reply_to=row.reply_to,
        usage=usage,
        error=error,
        completed_at=row.completed_at,
        attempt=row.attempt,
    )
