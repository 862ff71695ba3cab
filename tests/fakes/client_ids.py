"""Ids of clients in memory."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from parley.core.chat.model import Message
from tests.fakes.database import Tables


class FakeClientIds:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def room(self, account_id: UUID, external_id: str) -> UUID | None:
        found = (room for room, _ in self._tables.rooms.values() if room.account_id == account_id)
        return next((room.id for room in found if room.external_id == external_id), None)

    async def give_room(self, room_id: UUID, external_id: str) -> None:
        room, last_position = self._tables.rooms[room_id]
        self._tables.rooms[room_id] = (replace(room, external_id=external_id), last_position)

    async def message(self, room_id: UUID, external_id: str) -> UUID | None:
        return self._newest(room_id, lambda message: message.external_id == external_id)

    async def give_message(self, message_id: UUID, external_id: str) -> None:
        self._tables.messages[message_id] = replace(self._tables.messages[message_id], external_id=external_id)

    async def newest_reply(self, room_id: UUID, question_id: UUID) -> UUID | None:
        return self._newest(room_id, lambda message: message.reply_to == question_id)

    def _newest(self, room_id: UUID, is_meant: Callable[[Message], bool]) -> UUID | None:
        found = [message for message in self._tables.messages.values() if message.room_id == room_id]
        newest = max(filter(is_meant, found), key=lambda message: message.position, default=None)
        return newest and newest.id
