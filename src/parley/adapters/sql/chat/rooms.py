"""Rooms in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Integer,
    LargeBinary,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from parley.adapters.sql.chat.metadata import decode_metadata, encode_metadata
from parley.adapters.sql.chat.tree import head_position
from parley.adapters.sql.chat.unfinished import UNFINISHED
from parley.adapters.sql.engine.statements import PerDatabase, Statement, literals, unseen
from parley.adapters.sql.engine.tables import Id, Moment, accounts, messages, rooms, title_jobs
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import LAST_MESSAGE_CHARACTERS, Room, RoomCursor
from parley.core.chat.naming import Naming
from parley.core.text import beginning

_names = ("id", "account_id", "name", "model", "instructions", "created_at", "active_at", "naming")
_changeable = ("name", "naming", "model", "instructions", "pinned", "archived", "metadata")
_added_names = (*_names, "metadata")
_own_columns = tuple(rooms.c[name] for name in _names)
_head = messages.alias("head")
_answered = messages.alias("answered")
# One character more shows whether the last one is whole.
_shown_characters: ColumnElement[int] = literal_column(str(LAST_MESSAGE_CHARACTERS + 1))
_answered_text = func.coalesce(
    select(func.substr(_answered.c.content, 1, _shown_characters))
    .where(_answered.c.id == _head.c.reply_to)
    .correlate(_head)
    .scalar_subquery(),
    "",
)
_ended, _awaited = "-", "+"
# One look-up: the first character says whether the head has ended, the rest is the text that is shown.
_last_message = case(
    (_head.c.status.in_(UNFINISHED), literals(_awaited)[0] + _answered_text),
    (_head.c.content == "", literals(_ended)[0] + _answered_text),
    else_=literals(_ended)[0] + func.substr(_head.c.content, 1, _shown_characters),
)
# As `_read_room` takes them.
_columns = (
    *_own_columns,
    _head.c.id,
    _last_message,
    rooms.c.pinned,
    rooms.c.archived,
    rooms.c.external_id,
    rooms.c.metadata,
)
# Each room with its head is one look-up: a room has one message at each position.
_with_head = rooms.outerjoin(_head, and_(_head.c.room_id == rooms.c.id, _head.c.position == head_position[rooms]))
# Rooms of prompts are found by nothing here.
_shown = rooms.c.prompt.is_(None)
_this_room = (rooms.c.id == bindparam("room"), rooms.c.account_id == bindparam("account"), _shown)
_at = bindparam("at", type_=Moment)
_of_account = rooms.c.account_id == bindparam("account", type_=Id)
# FOR NO KEY UPDATE: another room waits, and so does this one for an erasure, which has locked the rooms that it knows
# and must not miss this one. Posts, which insert usage, do not wait.
_LOCK_ACCOUNT = Statement(
    select(accounts.c.id).where(accounts.c.id == bindparam("account")).with_for_update(key_share=True)
)
_number = select(func.count()).select_from(rooms).where(_of_account, _shown).scalar_subquery()
_ADD = Statement(
    insert(rooms).from_select(
        list(_added_names),
        select(*(bindparam(name, type_=rooms.c[name].type) for name in _added_names)).where(
            _number < bindparam("most")
        ),
    )
)
# PostgreSQL knows the size of a long text without reading it.
_INSTRUCTION_BYTES = PerDatabase(
    postgresql=select(func.coalesce(func.sum(func.octet_length(rooms.c.instructions)), 0)).where(_of_account),
    sqlite=select(func.coalesce(func.sum(func.length(cast(rooms.c.instructions, LargeBinary))), 0)).where(_of_account),
)
_GET = Statement(select(*_columns).select_from(_with_head).where(*_this_room))
_MANY = Statement(
    select(*_columns)
    .select_from(_with_head)
    .where(rooms.c.id == any_(bindparam("rooms", type_=ARRAY(Id))), rooms.c.account_id == bindparam("account"), _shown)
)
_OWNER = Statement(select(rooms.c.account_id).where(rooms.c.id == bindparam("room"), _shown))
_page = (
    select(*_columns)
    .select_from(_with_head)
    .where(
        rooms.c.account_id == unseen(bindparam("account", type_=Id)),
        rooms.c.archived == unseen(bindparam("archived", type_=Boolean())),
        _shown,
    )
    .order_by(rooms.c.pinned.desc(), rooms.c.active_at.desc(), rooms.c.id.desc())
    .limit(unseen(bindparam("most", type_=Integer())))
)
_FIRST_PAGE = Statement(_page)
_NEXT_PAGE = Statement(
    _page.where(
        tuple_(rooms.c.pinned, rooms.c.active_at, rooms.c.id)
        < tuple_(
            unseen(bindparam("after_pinned", type_=Boolean())),
            unseen(bindparam("after_active_at", type_=Moment)),
            unseen(bindparam("after_room", type_=Id)),
        )
    )
)
_LAST_POSITION = Statement(select(rooms.c.id, rooms.c.last_position).where(rooms.c.id == bindparam("room"), _shown))
_LAST_POSITIONS = Statement(
    select(rooms.c.id, rooms.c.last_position).where(rooms.c.id == any_(bindparam("rooms", type_=ARRAY(Id))), _shown)
)
_IDS = Statement(select(rooms.c.id).where(rooms.c.account_id == bindparam("account"), _shown).order_by(rooms.c.id))
_SAVE = Statement(
    update(rooms)
    .where(*_this_room)
    .values({
        name: case((bindparam(f"changes_{name}", type_=Boolean()), bindparam(name, type_=rooms.c[name].type)),
                   else_=rooms.c[name])
        for name in _changeable
    })
)  # fmt: skip
_FORGET_TITLE = Statement(delete(title_jobs).where(title_jobs.c.room_id == bindparam("room")))
_DELETE = Statement(delete(rooms).where(*_this_room))
_positions = bindparam("positions", type_=rooms.c.last_position.type)
_RESERVE = Statement(
    update(rooms)
    .where(*_this_room)
    # Clocks of two machines may differ: activity never goes back.
    .values(
        last_position=rooms.c.last_position + _positions,
        active_at=case((rooms.c.active_at > _at, rooms.c.active_at), else_=_at),
    )
    .returning(*_own_columns, rooms.c.last_position)
)
_LOCK = Statement(select(rooms.c.id).where(*_this_room).with_for_update(key_share=True))
_SHOW = Statement(
    update(rooms)
    .where(rooms.c.id == bindparam("room"))
    .values(shown_position=bindparam("position"), shown_since=rooms.c.last_position)
)


class SqlRooms(SqlStore):
    async def lock_account(self, account_id: UUID) -> None:
        await self._transaction.all(_LOCK_ACCOUNT, account=account_id)

    async def add(self, room: Room, *, most: int) -> bool:
        await self.lock_account(room.account_id)
        values = _values(room, _added_names)
        return await self._transaction.execute(_ADD, account=room.account_id, most=most, **values) == 1

    async def instruction_bytes(self, account_id: UUID) -> int:
        [total] = await self._transaction.scalars(_INSTRUCTION_BYTES, account=account_id)
        return int(total)

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None:
        row = await self._transaction.one_or_none(_GET, room=room_id, account=account_id)
        return None if row is None else _read_room(row)

    async def many(self, room_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Room]:
        if self._transaction.one_statement_suffices:
            rows = await self._transaction.all(_MANY, rooms=list(room_ids), account=account_id)
            return {row[0]: _read_room(row) for row in rows}
        found = [await self.get(room_id, account_id) for room_id in room_ids]
        return {room.id: room for room in found if room is not None}

    async def owner(self, room_id: UUID) -> UUID | None:
        return next(iter(await self._transaction.scalars(_OWNER, room=room_id)), None)

    async def last_positions(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        if self._transaction.one_statement_suffices:
            found = await self._transaction.all(_LAST_POSITIONS, rooms=list(room_ids))
        else:
            found = [row for each in room_ids for row in await self._transaction.all(_LAST_POSITION, room=each)]
        return dict(found)

    async def page(
        self, account_id: UUID, *, after: RoomCursor | None, limit: int, archived: bool = False
    ) -> list[Room]:
        wanted = {"account": account_id, "archived": archived, "most": limit}
        rows = (
            await self._transaction.all(_FIRST_PAGE, **wanted)
            if after is None
            else await self._transaction.all(
                _NEXT_PAGE,
                after_pinned=after.pinned,
                after_active_at=after.active_at,
                after_room=after.room_id,
                **wanted,
            )
        )
        return [_read_room(row) for row in rows]

    async def ids(self, account_id: UUID) -> list[UUID]:
        return await self._transaction.scalars(_IDS, account=account_id)

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        changes = {f"changes_{name}": name in fields for name in _changeable}
        values = _values(room, _changeable)
        saved = await self._transaction.execute(_SAVE, room=room.id, account=room.account_id, **changes, **values)
        if saved and "name" in fields:
            await self._transaction.execute(_FORGET_TITLE, room=room.id)
        return saved == 1

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        return await self._transaction.execute(_DELETE, room=room_id, account=account_id) == 1

    async def reserve(
        self, room_id: UUID, account_id: UUID, *, at: datetime, positions: int = 2
    ) -> tuple[Room, int] | None:
        row = await self._transaction.one_or_none(
            _RESERVE, room=room_id, account=account_id, at=at, positions=positions
        )
        if row is None:
            return None
        *own, naming, last_position = row
        return Room(*[*own, Naming(naming)]), last_position - positions + 1

    async def lock(self, room_id: UUID, account_id: UUID) -> bool:
        return await self._transaction.scalar(_LOCK, room=room_id, account=account_id) is not None

    async def show(self, room_id: UUID, *, position: int) -> None:
        await self._transaction.execute(_SHOW, room=room_id, position=position)


def _values(room: Room, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(room, name) for name in names} | {"metadata": encode_metadata(room.metadata)}


def _read_room(row: Any) -> Room:
    *own, naming, head, last_message, pinned, archived, external_id, metadata = row
    shown = beginning(last_message[1:], LAST_MESSAGE_CHARACTERS) if head else None
    awaited = head is not None and last_message.startswith(_awaited)
    given = decode_metadata(metadata)
    return Room(*[*own, Naming(naming), head, pinned, archived, shown or None, awaited, external_id, given])
