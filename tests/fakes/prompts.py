"""Prompts in memory: a room with one message, which FakeRooms does not find."""

from datetime import timedelta
from uuid import UUID

from parley.core.chat.model import Charge, Conversation, Message, Room
from parley.core.errors import AccountGone
from parley.core.ports import Clock
from tests.fakes.database import Tables, delete_where
from tests.fakes.messages import FakeMessages


class FakePrompts:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._messages = FakeMessages(tables, clock)

    async def add(
        self, prompt: Conversation, reply: Message, *, account_id: UUID, charge: Charge | None, most_pending: int
    ) -> bool:
        if self._tables.accounts and account_id not in self._tables.accounts:
            raise AccountGone
        at = reply.created_at
        self._tables.rooms[reply.room_id] = (Room(reply.room_id, account_id, "", None, None, at, at), 1)
        self._tables.prompts[reply.room_id] = prompt
        added = await self._messages.add_reply(
            reply, account_id=account_id, charge=charge, most_pending=most_pending, after=0
        )
        return added is not None

    async def forget(self, room_id: UUID) -> bool:
        if room_id not in self._tables.prompts or not self._reply(room_id).status.ended:
            return False
        del self._tables.rooms[room_id], self._tables.prompts[room_id]
        delete_where(self._tables.messages, lambda message: message.room_id == room_id)
        delete_where(self._tables.replies, lambda reply: reply.room_id == room_id)
        return True

    async def forget_ended(self, *, seconds: float, limit: int) -> int:
        since = self._clock() - timedelta(seconds=seconds)
        replies = [self._reply(room_id) for room_id in self._tables.prompts]
        old = [reply for reply in replies if reply.completed_at is not None and reply.completed_at <= since]
        return sum([await self.forget(reply.room_id) for reply in old[:limit]])

    def _reply(self, room_id: UUID) -> Message:
        return next(message for message in self._tables.messages.values() if message.room_id == room_id)
