"""The chat module's storage over the in-memory database."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from parley.core.chat.model import (
    IDEMPOTENCY_KEY_LIFE,
    Allowance,
    Exchange,
    Feedback,
    IdempotencyKey,
    Message,
    Room,
    RoomCursor,
    utc_day,
)
from parley.core.chat.stores import ChatUnit
from parley.core.ports import Clock
from tests.fakes.database import FakeDatabase, FakeTransaction, KeyUse, ReplyState, Tables, delete_where
from tests.fakes.leases import FakeLeases
from tests.fakes.quota import FakeQuota
from tests.fakes.replies import FakeReplies
from tests.fakes.search import FakeSearchIndex


class FakeChatUnitOfWork:
    def __init__(self, database: FakeDatabase, *, basic_limit: int) -> None:
        self._database = database
        self._basic_limit = basic_limit

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield FakeChatUnit(transaction, basic_limit=self._basic_limit)
            if single:
                transaction.commit()


class FakeChatUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: FakeTransaction, *, basic_limit: int) -> None:
        self._transaction = transaction
        tables, clock = transaction.tables, transaction.clock
        self.rooms = FakeRooms(tables)
        self.messages = FakeMessages(tables, clock)
        self.quota = FakeQuota(tables, basic_limit=basic_limit)
        self.replies = FakeReplies(tables, clock, self.quota)
        self.idempotency_keys = FakeIdempotencyKeys(tables)
        self.leases = FakeLeases(tables, clock)
        self.search = FakeSearchIndex(tables)

    async def commit(self) -> None:
        self._transaction.commit()


class FakeAcceptance:
    """All steps in one transaction."""

    def __init__(self, database: FakeDatabase, *, basic_limit: int) -> None:
        self._database = database
        self._basic_limit = basic_limit

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        offered: Collection[str],
        default_model: str,
        most_pending: int,
    ) -> tuple[int, str, Allowance] | None:
        now = question.created_at
        async with self._database.transaction() as transaction:
            unit = FakeChatUnit(transaction, basic_limit=self._basic_limit)
            reserved = await unit.rooms.reserve(question.room_id, account_id, at=now)
            left = await unit.quota.look(account_id, now=now)
            if reserved is None or left.remaining == 0:
                return None
            room, position = reserved
            model = reply.model or room.model or default_model
            question, reply = replace(question, position=position), replace(reply, position=position + 1, model=model)
            if model not in offered or not await unit.messages.add_exchange(
                question, reply, account_id=account_id, charged_on=utc_day(now), most_pending=most_pending
            ):
                return None
            allowance = await unit.quota.take(account_id, now=now)
            transaction.commit()
        return position, model, allowance


class FakeRooms:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, room: Room) -> None:
        self._tables.rooms[room.id] = (room, 0)

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None:
        found = self._tables.rooms.get(room_id)
        return found[0] if found is not None and found[0].account_id == account_id else None

    async def many(self, room_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Room]:
        found = [await self.get(room_id, account_id) for room_id in room_ids]
        return {room.id: room for room in found if room is not None}

    async def page(self, account_id: UUID, *, after: RoomCursor | None, limit: int) -> list[Room]:
        own = [room for room, _ in self._tables.rooms.values() if room.account_id == account_id]
        if after is not None:
            own = [room for room in own if (room.active_at, room.id) < (after.active_at, after.room_id)]
        return sorted(own, key=lambda room: (room.active_at, room.id), reverse=True)[:limit]

    async def ids(self, account_id: UUID) -> list[UUID]:
        return sorted(room.id for room, _ in self._tables.rooms.values() if room.account_id == account_id)

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        found = await self.get(room.id, room.account_id)
        if found is None:
            return False
        changed = replace(
            found,
            name=room.name if "name" in fields else found.name,
            model=room.model if "model" in fields else found.model,
            instructions=room.instructions if "instructions" in fields else found.instructions,
        )
        self._tables.rooms[room.id] = (changed, self._tables.rooms[room.id][1])
        return True

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        if await self.get(room_id, account_id) is None:
            return False
        del self._tables.rooms[room_id]
        for table in (self._tables.messages, self._tables.replies, self._tables.idempotency_keys):
            delete_where(table, lambda row: row.room_id == room_id)
        delete_where(self._tables.search_texts, lambda row: row[1].waiting.room_id == room_id)
        return True

    async def reserve(self, room_id: UUID, account_id: UUID, *, at: datetime) -> tuple[Room, int] | None:
        found = await self.get(room_id, account_id)
        if found is None:
            return None
        room = replace(found, active_at=max(found.active_at, at))
        last_position = self._tables.rooms[room_id][1]
        self._tables.rooms[room_id] = (room, last_position + 2)
        return room, last_position + 1


class FakeMessages:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def add_exchange(
        self, question: Message, reply: Message, *, account_id: UUID, charged_on: date, most_pending: int
    ) -> bool:
        now, replies = self._clock(), self._tables.replies
        if self.pending(account_id) >= most_pending:
            return False
        self._tables.messages[question.id] = question
        self._tables.messages[reply.id] = reply
        replies[reply.id] = ReplyState(reply.room_id, account_id, charged_on, now, now)
        return True

    def pending(self, account_id: UUID) -> int:
        unfinished = (message for message in self._tables.messages.values() if not message.status.ended)
        return sum(self._tables.replies[message.id].account_id == account_id for message in unfinished)

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        message = self._tables.messages.get(message_id)
        if message is None or message.room_id != room_id:
            return None
        return message if self._tables.rooms[room_id][0].account_id == account_id else None

    async def rate(self, message_id: UUID, room_id: UUID, account_id: UUID, feedback: Feedback | None) -> bool:
        message = await self.get(message_id, room_id, account_id)
        if message is not None:
            self._tables.messages[message_id] = replace(message, feedback=feedback)
        return message is not None

    async def many(self, message_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Message]:
        found = [self._tables.messages[message_id] for message_id in message_ids if message_id in self._tables.messages]
        return {
            message.id: message for message in found if self._tables.rooms[message.room_id][0].account_id == account_id
        }

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        reply = self._tables.messages.get(reply_id)
        if reply is None or reply.reply_to is None:
            return None
        return self._tables.messages[reply.reply_to], reply

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        room = self._tables.rooms.get(room_id)
        return [] if room is None or room[0].account_id != account_id else self._of_room(room_id, before)[-limit:]

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        return [message for message in self._of_room(room_id, None) if message.position > position][:limit]

    async def exchanges(self, room_id: UUID, *, up_to: int, limit: int) -> list[Exchange]:
        exchanges = [
            Exchange(reply.position, self._tables.messages[reply.reply_to].content, reply.content or None, reply.status)
            for reply in self._of_room(room_id, up_to + 1)
            if reply.reply_to is not None
        ]
        return exchanges[::-1][:limit]

    def _of_room(self, room_id: UUID, before: int | None) -> list[Message]:
        return sorted(
            (
                message
                for message in self._tables.messages.values()
                if message.room_id == room_id and (before is None or message.position < before)
            ),
            key=lambda message: message.position,
        )


class FakeIdempotencyKeys:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        first_use = self._tables.idempotency_keys.get((room_id, key.value))
        if first_use is not None and first_use.used_at >= at - IDEMPOTENCY_KEY_LIFE:
            return first_use.reply_id, first_use.fingerprint
        self._tables.idempotency_keys[room_id, key.value] = KeyUse(room_id, reply_id, key.fingerprint, at)
        return None

    async def forget_before(self, moment: datetime) -> int:
        return delete_where(self._tables.idempotency_keys, lambda use: use.used_at < moment)
