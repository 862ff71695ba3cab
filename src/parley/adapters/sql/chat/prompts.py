"""Prompts in SQL: a hidden room, which has the text of the prompt, with one message, the reply."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, insert, literal_column, select, true

from parley.adapters.sql.chat.prompt_text import encode_prompt
from parley.adapters.sql.chat.replies import not_ended
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import Charge, Conversation, Message, Role, Status

_is_prompt = rooms.c.prompt.is_not(None)
_room_values: dict[str, Any] = {
    "id": bindparam("room_id", type_=Id),
    **given("account_id", "created_at", "prompt"),
    "active_at": bindparam("created_at"),
    "name": "",
    "last_position": 1,
    # A version that knows no prompts lists it as an archived room at most.
    "archived": true(),
}
_ADD_ROOM = Statement(insert(rooms).values(_room_values))
_message_names = ("id", "account_id", "model", "created_at", "charged_on", "reserved_tokens", "plan")
_message_values = {
    **{name: bindparam(name, type_=messages.c[name].type) for name in _message_names},
    "position": literal_column("1"),
    "role": literal_column(f"'{Role.ASSISTANT.value}'"),
    "content": literal_column("''"),
    "status": literal_column(f"'{Status.PENDING.value}'"),
    "claimable_at": database_time(),
    "queued_at": database_time(),
}
_pending = (
    select(func.count()).where(messages.c.account_id == bindparam("account", type_=Id), unfinished).scalar_subquery()
)
_added_room = insert(rooms).values(_room_values).returning(rooms.c.id).cte("room")
# The second one adds the room too, in PostgreSQL, which checks the reference to it at the end of the statement.
_ADD_REPLY, _ADD = (
    Statement(
        insert(messages).from_select(
            ["room_id", *_message_values],
            select(room_id, *_message_values.values()).where(_pending < bindparam("most_pending")),
        )
    )
    for room_id in (bindparam("room_id", type_=Id), _added_room.c.id)
)
_FORGET = Statement(
    delete(rooms).where(
        rooms.c.id == bindparam("room"),
        _is_prompt,
        ~exists().where(messages.c.room_id == bindparam("room"), not_ended),
    )
)
_ended = (
    select(rooms.c.id)
    .join(messages, messages.c.room_id == rooms.c.id)
    .where(_is_prompt, ~not_ended, messages.c.completed_at <= database_time("ended_since"))
    .limit(bindparam("most"))
)
_FORGET_ENDED = Statement(delete(rooms).where(rooms.c.id.in_(_ended)))


class SqlPrompts(SqlStore):
    async def add(
        self, prompt: Conversation, reply: Message, *, account_id: UUID, charge: Charge | None, most_pending: int
    ) -> bool:
        room = {
            "room_id": reply.room_id,
            "account_id": account_id,
            "created_at": reply.created_at,
            "prompt": encode_prompt(prompt),
        }
        message = {
            **{name: getattr(reply, name) for name in ("id", "room_id", "model", "created_at")},
            "account_id": account_id,
            "account": account_id,
            "charged_on": charge and charge.on,
            "reserved_tokens": (charge and charge.tokens) or None,
            "plan": charge and charge.plan,
            "most_pending": most_pending,
        }
        if self._transaction.one_statement_suffices:
            return await self._transaction.execute(_ADD, **room | message) == 1
        await self._transaction.execute(_ADD_ROOM, **room)
        return await self._transaction.execute(_ADD_REPLY, **message) == 1

    async def forget(self, room_id: UUID) -> bool:
        return await self._transaction.execute(_FORGET, room=room_id) == 1

    async def forget_ended(self, *, seconds: float, limit: int) -> int:
        return await self._transaction.execute(_FORGET_ENDED, ended_since=-seconds, most=limit)
