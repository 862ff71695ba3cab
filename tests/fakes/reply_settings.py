"""Settings of replies in memory."""

from uuid import UUID

from parley.core.chat.reply_settings import ReplySettings
from tests.fakes.database import Tables


class FakeRepliesSettings:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, reply_id: UUID) -> ReplySettings:
        settings = self._tables.reply_settings.get(reply_id)
        return ReplySettings() if settings is None or reply_id not in self._tables.messages else settings

    async def between(self, room_id: UUID, *, first: int, last: int) -> dict[UUID, ReplySettings]:
        return {
            message.id: self._tables.reply_settings[message.id]
            for message in self._tables.messages.values()
            if message.room_id == room_id
            and first <= message.position <= last
            and message.id in self._tables.reply_settings
        }

    async def save(self, reply_id: UUID, settings: ReplySettings) -> None:
        self._tables.reply_settings[reply_id] = settings
