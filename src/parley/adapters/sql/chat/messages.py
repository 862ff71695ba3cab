"""Messages in SQL. Statements of every message are built once: building one costs as much as running it."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, insert, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.chat.replies import literals, unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import Id, messages
from parley.core.chat.model import Message, ReplyError, Role, Status, TokenUsage, Turn

# As `_message` takes them.
_columns = (
    messages.c.id,
    messages.c.room_id,
    messages.c.role,
    messages.c.content,
    messages.c.status,
    messages.c.created_at,
    messages.c.position,
    messages.c.model,
    messages.c.reply_to,
    messages.c.input_tokens,
    messages.c.output_tokens,
    messages.c.error_code,
    messages.c.error_detail,
    messages.c.completed_at,
    messages.c.attempt,
)
_sayable = or_(
    messages.c.role.in_(literals(Role.USER)), messages.c.status.in_(literals(Status.COMPLETED, Status.STOPPED))
)
_room = bindparam("room", type_=Id)
_account = bindparam("account", type_=Id)
_place = bindparam("place", type_=messages.c.position.type)
_GET = select(*_columns).where(
    messages.c.id == bindparam("message"),
    messages.c.room_id == _room,
    messages.c.account_id == _account,
)
_LAST_PAGE = (
    select(*_columns)
    .where(messages.c.room_id == _room, messages.c.account_id == _account)
    .order_by(messages.c.position.desc())
    .limit(bindparam("most"))
)
_PAGE_BEFORE = _LAST_PAGE.where(messages.c.position < _place)
_PAGE_AFTER = (
    select(*_columns)
    .where(messages.c.room_id == _room, messages.c.position > _place)
    .order_by(messages.c.position)
    .limit(bindparam("most"))
)
_SAID_BEFORE = (
    select(messages.c.position, messages.c.role, messages.c.content)
    .where(messages.c.room_id == _room, messages.c.position < _place, _sayable, messages.c.content != "")
    .order_by(messages.c.position.desc())
    .limit(bindparam("most"))
)


_added = [
    messages.c[name]
    for name in (
        "id", "room_id", "account_id", "position", "role", "content", "status", "model", "reply_to", "created_at",
        "completed_at", "charged_on",
    )
]  # fmt: skip


def _row(name: str) -> Select[Any]:
    pending = select(func.count()).where(messages.c.account_id == _account, unfinished)
    values = [bindparam(f"{name}_{column.name}", type_=column.type) for column in _added]
    return select(*values, database_time(), database_time()).where(
        pending.scalar_subquery() < bindparam("most_pending")
    )


# The times mean nothing in the user's row; being in both, one statement does.
_ADD = insert(messages).from_select([*_added, "claimable_at", "queued_at"], union_all(_row("question"), _row("reply")))


class SqlMessages:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add_exchange(
        self, question: Message, reply: Message, *, account_id: UUID, charged_on: date, most_pending: int
    ) -> bool:
        values = {
            **_values("question", question, account_id, None),
            **_values("reply", reply, account_id, charged_on),
            "account": account_id,
            "most_pending": most_pending,
        }
        added = await self._connection.execute(_ADD, values)
        return added.rowcount > 0

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        wanted = {"message": message_id, "room": room_id, "account": account_id}
        found = await self._connection.execute(_GET, wanted)
        row = found.one_or_none()
        return None if row is None else _message(row)

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        question = select(messages.c.reply_to).where(messages.c.id == reply_id).scalar_subquery()
        found = await self._connection.execute(
            select(*_columns)
            .where(or_(messages.c.id == reply_id, messages.c.id == question))
            .order_by(messages.c.position)
        )
        both = [_message(row) for row in found]
        return (both[0], both[1]) if len(both) == 2 else None  # noqa: PLR2004  a pair

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        query, place = (_LAST_PAGE, {}) if before is None else (_PAGE_BEFORE, {"place": before})
        wanted = {"room": room_id, "account": account_id, "most": limit}
        found = await self._connection.execute(query, wanted | place)
        return [_message(row) for row in reversed(found.all())]

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        found = await self._connection.execute(_PAGE_AFTER, {"room": room_id, "place": position, "most": limit})
        return [_message(row) for row in found]

    async def turns_before(self, room_id: UUID, position: int, *, limit: int) -> list[tuple[int, Turn]]:
        found = await self._connection.execute(_SAID_BEFORE, {"room": room_id, "place": position, "most": limit})
        return [(place, Turn(Role(role), content)) for place, role, content in found]


def _values(name: str, message: Message, account_id: UUID, charged_on: date | None) -> dict[str, Any]:
    return {
        f"{name}_id": message.id,
        f"{name}_room_id": message.room_id,
        f"{name}_account_id": account_id,
        f"{name}_position": message.position,
        f"{name}_role": message.role.value,
        f"{name}_content": message.content,
        f"{name}_status": message.status.value,
        f"{name}_model": message.model,
        f"{name}_reply_to": message.reply_to,
        f"{name}_created_at": message.created_at,
        f"{name}_completed_at": message.completed_at,
        f"{name}_charged_on": charged_on,
    }


def _message(row: Row[*tuple[Any, ...]]) -> Message:
    (
        id_,
        room_id,
        role,
        content,
        status,
        created_at,
        position,
        model,
        reply_to,
        input_tokens,
        output_tokens,
        error_code,
        error_detail,
        completed_at,
        attempt,
    ) = row
    return Message(
        id_,
        room_id,
        Role(role),
        content,
        Status(status),
        created_at,
        position,
        model,
        reply_to,
        None if input_tokens is None else TokenUsage(input_tokens, output_tokens),
        None if error_code is None else ReplyError(error_code, error_detail),
        completed_at,
        attempt,
    )
