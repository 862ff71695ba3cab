"""Shared copies in SQL: a copy is the last position of a branch, and so is read as stretches of runs (see tree.py)."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, func, literal_column, select, true

from parley.adapters.sql.chat.stretches import head, up_to_head, up_to_last
from parley.adapters.sql.engine.statements import PerDatabase, Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import Id, messages, rooms, shares
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import FinishReason, Role, Status
from parley.core.chat.share_store import Share, SharedMessage

_room = bindparam("room", type_=Id)
_account = bindparam("account", type_=Id)
_columns = (shares.c.room_id, shares.c.token, shares.c.title, shares.c.last_position, shares.c.created_at)
_PUT = Upsert(
    shares,
    lambda insert: (
        insert.values(given("room_id", "token", "title", "last_position", "created_at"))
        .on_conflict_do_update(
            index_elements=["room_id"],
            set_={name: insert.excluded[name] for name in ("title", "last_position", "created_at")},
        )
        .returning(*_columns)
    ),
)
_OF_ROOM = Statement(
    select(*_columns)
    .join_from(shares, rooms, rooms.c.id == shares.c.room_id)
    .where(shares.c.room_id == _room, rooms.c.account_id == _account)
)
_REMOVE = Statement(delete(shares).where(shares.c.room_id == _room))
_FIND = Statement(select(*_columns).where(shares.c.token == bindparam("token")))

_unfinished, _question = messages.alias("unfinished"), messages.alias("question")
_first_unanswered = (
    select(func.min(_question.c.position))
    .select_from(
        _unfinished.join(
            up_to_head, and_(_unfinished.c.run == up_to_head.c.run, _unfinished.c.position <= up_to_head.c.last)
        ).join(_question, _question.c.id == _unfinished.c.reply_to)
    )
    .where(
        _unfinished.c.account_id == _account,
        _unfinished.c.room_id == _room,
        _unfinished.c.status.in_(literals("pending", "generating")),
    )
    .scalar_subquery()
)
_LAST_COMPLETE = Statement(select(func.coalesce(_first_unanswered, head, literal_column("0"))))

_in_stretch = and_(
    messages.c.room_id == _room, messages.c.run == up_to_last.c.run, messages.c.position <= up_to_last.c.last
)
_first_of_stretch = (
    select(messages.c.position).where(_in_stretch).order_by(messages.c.position).limit(bindparam("reach")).lateral()
)
# Only an index is read up to the page. On PostgreSQL no stretch is read further than that.
_pages = tuple(
    positions.order_by(positions.selected_columns[0]).limit(bindparam("most")).offset(bindparam("skip")).subquery()
    for positions in (
        select(_first_of_stretch.c.position).select_from(up_to_last.join(_first_of_stretch, true())),
        select(messages.c.position).select_from(up_to_last.join(messages, _in_stretch)),
    )
)
_on_page = [
    select(messages.c.role, messages.c.content, messages.c.status, messages.c.model, messages.c.finish_reason)
    .join(page, page.c.position == messages.c.position)
    .where(messages.c.room_id == _room)
    .order_by(messages.c.position)
    for page in _pages
]
_MESSAGES = PerDatabase(postgresql=_on_page[0], sqlite=_on_page[1])


class SqlShares(SqlStore):
    async def put(self, share: Share) -> Share:
        [row] = await self._transaction.all(_PUT, **asdict(share))
        return Share(*row)

    async def of_room(self, room_id: UUID, account_id: UUID) -> Share | None:
        row = await self._transaction.one_or_none(_OF_ROOM, room=room_id, account=account_id)
        return None if row is None else Share(*row)

    async def remove(self, room_id: UUID) -> None:
        await self._transaction.execute(_REMOVE, room=room_id)

    async def find(self, token: str) -> Share | None:
        row = await self._transaction.one_or_none(_FIND, token=token)
        return None if row is None else Share(*row)

    async def last_complete(self, room_id: UUID, account_id: UUID) -> int:
        position: int = await self._transaction.scalar(_LAST_COMPLETE, room=room_id, account=account_id)
        return position

    async def messages(self, share: Share, *, skip: int, limit: int) -> list[SharedMessage]:
        wanted: dict[str, Any] = {"room": share.room_id, "last": share.last_position, "most": limit, "skip": skip}
        if self._transaction.one_statement_suffices:
            wanted["reach"] = skip + limit
        rows = await self._transaction.all(_MESSAGES, **wanted)
        return [_shared_message(*row) for row in rows]


def _shared_message(role: str, content: str, status: str, model: str | None, reason: str | None) -> SharedMessage:
    return SharedMessage(Role(role), content, Status(status), model, None if reason is None else FinishReason(reason))
