"""Settings of replies in SQL: as JSON, since they are only ever read whole."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from parley.adapters.sql.chat.prompt_text import decode_options, encode_options
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import Id, messages, reply_settings
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.reply_settings import ReplySettings

_GET = Statement(select(reply_settings.c.settings).where(reply_settings.c.reply_id == bindparam("reply")))
_BETWEEN = Statement(
    select(reply_settings.c.reply_id, reply_settings.c.settings)
    .join(messages, messages.c.id == reply_settings.c.reply_id)
    .where(
        messages.c.room_id == bindparam("room", type_=Id),
        messages.c.position >= bindparam("first"),
        messages.c.position <= bindparam("last"),
    )
)
_SAVE = Upsert(
    reply_settings,
    lambda insert: insert.values(**given("reply_id", "settings")).on_conflict_do_update(
        index_elements=["reply_id"], set_={"settings": insert.excluded.settings}
    ),
)


class SqlRepliesSettings(SqlStore):
    async def get(self, reply_id: UUID) -> ReplySettings:
        stored: str | None = await self._transaction.scalar(_GET, reply=reply_id)
        return ReplySettings() if stored is None else decode_settings(stored)

    async def between(self, room_id: UUID, *, first: int, last: int) -> dict[UUID, ReplySettings]:
        rows = await self._transaction.all(_BETWEEN, room=room_id, first=first, last=last)
        return {reply_id: decode_settings(stored) for reply_id, stored in rows}

    async def save(self, reply_id: UUID, settings: ReplySettings) -> None:
        await self._transaction.execute(_SAVE, reply_id=reply_id, settings=_encode(settings))


def decode_settings(stored: str) -> ReplySettings:
    settings: dict[str, Any] = json.loads(stored)
    return ReplySettings(
        settings.get("instructions"),
        decode_options(settings.get("options", {})),
        tuple(settings.get("metadata", {}).items()),
        settings.get("in_background", False),
        UUID(settings["after"]) if "after" in settings else None,
        settings.get("forgotten", False),
    )


def _encode(settings: ReplySettings) -> str:
    values = {
        "instructions": settings.instructions,
        "options": encode_options(settings.options),
        "metadata": dict(settings.metadata),
        "in_background": settings.in_background,
        "after": settings.after and str(settings.after),
        "forgotten": settings.forgotten,
    }
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)
