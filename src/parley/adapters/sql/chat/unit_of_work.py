"""Chat's transactions in SQL. Rooms, messages and replies have files of their own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Insert, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.chat.messages import SqlMessages
from parley.adapters.sql.chat.quota import SqlQuota
from parley.adapters.sql.chat.replies import SqlReplies
from parley.adapters.sql.chat.rooms import SqlRooms
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import Moment, idempotency_keys
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, IdempotencyKey
from parley.core.chat.stores import ChatUnit


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


class SqlIdempotencyKeys:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        use = {"room_id": room_id, "key": key.value, "reply_id": reply_id, "fingerprint": key.fingerprint}
        bound = await self._connection.execute(
            _binding(self._connection.dialect.name), use | {"used_at": at, "forgotten": at - IDEMPOTENCY_KEY_LIFE}
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


@cache
def _binding(dialect: str) -> Insert:
    insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(idempotency_keys)
    given = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["room_id", "key"],
        set_={"reply_id": given.reply_id, "fingerprint": given.fingerprint, "used_at": given.used_at},
        where=idempotency_keys.c.used_at < bindparam("forgotten", type_=Moment),
    )
