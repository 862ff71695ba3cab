"""Messages in SQL."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, and_, any_, bindparam, func, literal_column, or_, select, update

from parley.adapters.sql.chat.added_messages import ADD_EXCHANGE, ADD_GIVEN, ADD_REPLY, added_values
from parley.adapters.sql.chat.branch_tokens import BRANCH_TOKENS
from parley.adapters.sql.chat.exchanges import read_exchanges
from parley.adapters.sql.chat.message_rows import columns, columns_of_any_room, columns_of_exchange, read_message
from parley.adapters.sql.chat.removals import remove_message
from parley.adapters.sql.chat.stretches import up_to_head, up_to_last
from parley.adapters.sql.chat.tree import fork, head_position, is_fork
from parley.adapters.sql.engine.parents import above, parent_of
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import Charge, Exchange, Message
from parley.core.chat.rating import Feedback
from parley.core.chat.tree import Head

_in_room = messages.c.room_id == bindparam("room", type_=Id)
_of_account = messages.c.account_id == bindparam("account", type_=Id)
_most: BindParameter[int] = bindparam("most")
_GET = Statement(select(*columns).where(messages.c.id == bindparam("message"), _in_room, _of_account))
_GET_ANYWHERE = Statement(select(*columns_of_any_room).where(messages.c.id == bindparam("message"), _of_account))
_MANY = Statement(
    select(*columns_of_any_room).where(messages.c.id == any_(bindparam("messages", type_=ARRAY(Id))), _of_account)
)
_RATE = Statement(
    update(messages)
    .where(messages.c.id == bindparam("message"), _in_room, _of_account)
    .values(rating=bindparam("given_rating"), rating_comment=bindparam("given_comment"))
)
_OWNER = Statement(select(messages.c.account_id).where(messages.c.id == bindparam("message")))
_question = select(messages.c.reply_to).where(messages.c.id == bindparam("reply")).scalar_subquery()
_EXCHANGE = Statement(
    select(*columns_of_exchange)
    .where(or_(messages.c.id == bindparam("reply"), messages.c.id == _question))
    .order_by(messages.c.position)
)
_newest_first = select(*columns).order_by(messages.c.position.desc())
_last_page = _newest_first.where(_in_room, _of_account).limit(_most)
_LAST_PAGE = Statement(_last_page)
_PAGE_BEFORE = Statement(_last_page.where(messages.c.position < bindparam("position")))
_PAGE_AFTER = Statement(
    select(*columns)
    .where(_in_room, messages.c.position > bindparam("position"))
    .order_by(messages.c.position)
    .limit(_most)
)
# The end of a branch, as far as it is one run; the rest is found by _ANCESTORS.
_last = messages.alias("last")
_END_AT_POSITION, _END_AT_HEAD = (
    Statement(
        _last_page.where(
            messages.c.run
            == select(_last.c.run)
            .where(_last.c.room_id == bindparam("room", type_=Id), _last.c.position == position)
            .scalar_subquery(),
            messages.c.position <= position,
        )
    )
    for position in (
        bindparam("last", type_=messages.c.position.type),
        select(head_position[rooms]).where(rooms.c.id == bindparam("room", type_=Id)).scalar_subquery(),
    )
)
_ancestors = (
    select(messages.c.id, parent_of[messages].label("parent_id"), literal_column("1").label("number"))
    .where(messages.c.id == bindparam("newest", type_=Id))
    .cte("ancestors", recursive=True)
)
_ancestors = _ancestors.union_all(
    select(above.c.id, parent_of[above], _ancestors.c.number + 1)
    .select_from(_ancestors.join(above, above.c.id == _ancestors.c.parent_id))
    .where(_ancestors.c.number < _most)
)
_ANCESTORS = Statement(_newest_first.join(_ancestors, _ancestors.c.id == messages.c.id))
_below = (
    select(messages.c.run, messages.c.position.label("above"))
    .where(_in_room, messages.c.position == bindparam("position"))
    .cte("below", recursive=True)
)
_below = _below.union_all(
    select(fork.c.run, fork.c.position)
    .select_from(_below.join(fork, fork.c.forked_from == _below.c.run))
    .where(fork.c.room_id == bindparam("room", type_=Id), fork.c.first_sibling > _below.c.above, is_fork)
)
_NEWEST_BELOW = Statement(
    select(
        func.max(
            select(func.max(messages.c.position)).where(_in_room, messages.c.run == _below.c.run).scalar_subquery()
        )
    ).select_from(_below)
)
_BRANCH_AFTER, _BRANCH_BETWEEN = (
    Statement(
        select(*columns)
        .join(stretches, and_(messages.c.run == stretches.c.run, messages.c.position <= stretches.c.last))
        .where(_in_room, _of_account, messages.c.position > bindparam("position"))
        .order_by(messages.c.position)
        .limit(_most)
    )
    for stretches in (up_to_head, up_to_last)
)


class SqlMessages(SqlStore):
    async def add_exchange(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        charge: Charge,
        most_pending: int,
        after: int | Head | None = Head.SHOWN,
    ) -> tuple[Message, Message] | None:
        added = await self._transaction.all(
            ADD_EXCHANGE,
            room=question.room_id,
            account=account_id,
            position=question.position,
            after=None if after is Head.SHOWN else after or 0,
            most_pending=most_pending,
            **added_values("question", question, account_id, None),
            **added_values("reply", reply, account_id, charge),
        )
        if not added:
            return None
        parent_id, sibling = next((parent_id, sibling) for id_, parent_id, sibling in added if id_ == question.id)
        reply = replace(reply, parent_id=question.id)
        if sibling:
            return await self._get(question, account_id), reply
        return replace(question, parent_id=parent_id), reply

    async def add_reply(
        self, reply: Message, *, account_id: UUID, charge: Charge, most_pending: int, after: int
    ) -> Message | None:
        added = await self._transaction.all(
            ADD_REPLY,
            room=reply.room_id,
            account=account_id,
            position=reply.position,
            after=after,
            most_pending=most_pending,
            **added_values("reply", reply, account_id, charge),
        )
        return await self._get(reply, account_id) if added else None

    async def add_given(self, message: Message, *, account_id: UUID, after: int | Head | None, tokens: int) -> Message:
        values = added_values("given", message, account_id, None) | {"given_reserved_tokens": tokens}
        [(reply_to, parent_id, sibling)] = await self._transaction.all(
            ADD_GIVEN,
            room=message.room_id,
            position=message.position,
            after=None if after is Head.SHOWN else after or 0,
            attempt=message.attempt,
            **{name: value for name, value in values.items() if name != "given_reply_to"},
        )
        if sibling:
            return await self._get(message, account_id)
        return replace(message, reply_to=reply_to, parent_id=parent_id)

    async def _get(self, added: Message, account_id: UUID) -> Message:
        found = await self.get(added.id, added.room_id, account_id)
        if found is None:
            raise LookupError("a message that was added is not there")
        return found

    async def remove(self, message: Message, *, after: int) -> None:
        await remove_message(self._transaction, message.room_id, message.position, after=after)

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        row = await self._transaction.one_or_none(_GET, message=message_id, room=room_id, account=account_id)
        return None if row is None else read_message(row)

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
        return {row[0]: read_message(row) for row in rows}

    async def owner(self, message_id: UUID) -> UUID | None:
        return next(iter(await self._transaction.scalars(_OWNER, message=message_id)), None)

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        both = [read_message(row) for row in await self._transaction.all(_EXCHANGE, reply=reply_id)]
        return (both[0], both[1]) if len(both) == 2 else None  # noqa: PLR2004  a pair

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        wanted = {"room": room_id, "account": account_id, "most": limit}
        rows = (
            await self._transaction.all(_LAST_PAGE, **wanted)
            if before is None
            else await self._transaction.all(_PAGE_BEFORE, position=before, **wanted)
        )
        return [read_message(row) for row in reversed(rows)]

    async def branch_to(self, room_id: UUID, account_id: UUID, *, last: int | None, limit: int) -> list[Message]:
        wanted = {"room": room_id, "account": account_id, "most": limit}
        rows = (
            await self._transaction.all(_END_AT_HEAD, **wanted)
            if last is None
            else await self._transaction.all(_END_AT_POSITION, last=last, **wanted)
        )
        found = [read_message(row) for row in rows]
        if found and len(found) < limit and found[-1].parent_id is not None:
            rest = {"room": room_id, "newest": found[-1].parent_id, "most": limit - len(found)}
            found += [read_message(row) for row in await self._transaction.all(_ANCESTORS, **rest)]
        return found[::-1]

    async def branch_after(
        self, room_id: UUID, account_id: UUID, *, after: int, last: int | None, limit: int
    ) -> list[Message]:
        wanted = {"room": room_id, "account": account_id, "position": after, "most": limit}
        rows = (
            await self._transaction.all(_BRANCH_AFTER, **wanted)
            if last is None
            else await self._transaction.all(_BRANCH_BETWEEN, last=last, **wanted)
        )
        return [read_message(row) for row in rows]

    async def branch_tokens(self, room_id: UUID, *, last: int | Head | None, before: int) -> int | None:
        position = None if last is Head.SHOWN else last or 0
        tokens: int | None = await self._transaction.scalar(
            BRANCH_TOKENS, room=room_id, after=position, position=before
        )
        return tokens

    async def newest_below(self, room_id: UUID, position: int) -> int:
        newest: int = await self._transaction.scalar(_NEWEST_BELOW, room=room_id, position=position)
        return newest

    async def exchanges(self, room_id: UUID, *, last: int, limit: int) -> list[Exchange]:
        return await read_exchanges(self._transaction, room_id, last=last, limit=limit)

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        rows = await self._transaction.all(_PAGE_AFTER, room=room_id, position=position, most=limit)
        return [read_message(row) for row in rows]
