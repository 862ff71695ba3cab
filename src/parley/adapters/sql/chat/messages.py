"""Messages in SQL."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, any_, bindparam, func, insert, or_, select, union_all, update

from parley.adapters.sql.chat.parts import decode_parts
from parley.adapters.sql.chat.replies import unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import (
    Exchange,
    Feedback,
    FinishReason,
    Message,
    Rating,
    ReplyError,
    Role,
    Status,
    TokenUsage,
)

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
    messages.c.cached_input_tokens,
    messages.c.reasoning_tokens,
    messages.c.error_code,
    messages.c.error_detail,
    messages.c.completed_at,
    messages.c.attempt,
    messages.c.parts,
    messages.c.finish_reason,
    messages.c.rating,
    messages.c.rating_comment,
)
_in_room = messages.c.room_id == bindparam("room")
_of_account = messages.c.account_id == bindparam("account", type_=Id)
_before = messages.c.position < bindparam("position")
_most: BindParameter[int] = bindparam("most")
_GET = Statement(select(*_columns).where(messages.c.id == bindparam("message"), _in_room, _of_account))
_GET_ANYWHERE = Statement(select(*_columns).where(messages.c.id == bindparam("message"), _of_account))
_MANY = Statement(select(*_columns).where(messages.c.id == any_(bindparam("messages", type_=ARRAY(Id))), _of_account))
_RATE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("message"), _in_room, _of_account)
    .values(rating=bindparam("given_rating"), rating_comment=bindparam("given_comment"))
)
_question = select(messages.c.reply_to).where(messages.c.id == bindparam("reply")).scalar_subquery()
_EXCHANGE = Statement(
    select(*_columns)
    .where(or_(messages.c.id == bindparam("reply"), messages.c.id == _question))
    .order_by(messages.c.position)
)
_last_page = select(*_columns).where(_in_room, _of_account).order_by(messages.c.position.desc()).limit(_most)
_LAST_PAGE = Statement(_last_page)
_PAGE_BEFORE = Statement(_last_page.where(_before))
_PAGE_AFTER = Statement(
    select(*_columns)
    .where(_in_room, messages.c.position > bindparam("position"))
    .order_by(messages.c.position)
    .limit(_most)
)
_asked = messages.alias("asked")
_EXCHANGES = Statement(
    select(messages.c.position, _asked.c.content, messages.c.content, messages.c.status)
    .join(_asked, _asked.c.id == messages.c.reply_to)
    .where(_in_room, messages.c.position <= bindparam("position"))
    .order_by(messages.c.position.desc())
    .limit(_most)
)

added_columns = [
    messages.c[name]
    for name in (
        "id", "room_id", "account_id", "position", "role", "content", "status", "model", "reply_to", "created_at",
        "completed_at", "charged_on",
    )
]  # fmt: skip
_pending = select(func.count()).where(_of_account, unfinished).scalar_subquery()
# The times mean nothing in the user's row; being in both, one statement does.
_ADD_EXCHANGE = Statement(
    insert(messages).from_select(
        [*added_columns, "claimable_at", "queued_at"],
        union_all(*(
            select(
                *(bindparam(f"{message}_{column.name}", type_=column.type) for column in added_columns),
                database_time(),
                database_time(),
            ).where(_pending < bindparam("most_pending"))
            for message in ("question", "reply")
        )),
    )
)  # fmt: skip


class SqlMessages(SqlStore):
    async def add_exchange(
        self, question: Message, reply: Message, *, account_id: UUID, charged_on: date, most_pending: int
    ) -> bool:
        added = await self._transaction.execute(
            _ADD_EXCHANGE,
            account=account_id,
            most_pending=most_pending,
            **added_values("question", question, account_id, None),
            **added_values("reply", reply, account_id, charged_on),
        )
        return added > 0

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        row = await self._transaction.one_or_none(_GET, message=message_id, room=room_id, account=account_id)
        return None if row is None else _message(row)

    async def rate(self, message_id: UUID, room_id: UUID, account_id: UUID, feedback: Feedback | None) -> bool:
        rating, comment = (None, None) if feedback is None else (feedback.rating.value, feedback.comment)
        rated = await self._transaction.execute(
            _RATE,
            message=message_id,
            room=room_id,
            account=account_id,
            given_rating=rating,
            given_comment=comment,
        )
        return rated == 1

    async def many(self, message_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Message]:
        if self._transaction.one_statement_suffices:
            rows = await self._transaction.all(_MANY, messages=list(message_ids), account=account_id)
        else:
            rows = [
                row
                for message_id in message_ids
                for row in await self._transaction.all(_GET_ANYWHERE, message=message_id, account=account_id)
            ]
        return {row[0]: _message(row) for row in rows}

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        both = [_message(row) for row in await self._transaction.all(_EXCHANGE, reply=reply_id)]
        return (both[0], both[1]) if len(both) == 2 else None  # noqa: PLR2004  a pair

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        wanted = {"room": room_id, "account": account_id, "most": limit}
        rows = (
            await self._transaction.all(_LAST_PAGE, **wanted)
            if before is None
            else await self._transaction.all(_PAGE_BEFORE, position=before, **wanted)
        )
        return [_message(row) for row in reversed(rows)]

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        rows = await self._transaction.all(_PAGE_AFTER, room=room_id, position=position, most=limit)
        return [_message(row) for row in rows]

    async def exchanges(self, room_id: UUID, *, up_to: int, limit: int) -> list[Exchange]:
        rows = await self._transaction.all(_EXCHANGES, room=room_id, position=up_to, most=limit)
        return [
            Exchange(position, question, answer or None, Status(status)) for position, question, answer, status in rows
        ]


def added_values(name: str, message: Message, account_id: UUID, charged_on: date | None) -> dict[str, Any]:
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


def _message(row: Any) -> Message:
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
        *tokens,
        error_code,
        error_detail,
        completed_at,
        attempt,
        parts,
        finish_reason,
        rating,
        comment,
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
        None if all(count is None for count in tokens) else TokenUsage(*tokens),
        None if error_code is None else ReplyError(error_code, error_detail),
        completed_at,
        attempt,
        decode_parts(content, parts),
        None if finish_reason is None else FinishReason(finish_reason),
        None if rating is None else Feedback(Rating(rating), comment),
    )
