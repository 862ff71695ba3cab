"""How the tree of a room's messages is stored: in runs, so that a page of a branch is a range of an index.

A run is a stretch of a branch: the first child of a message continues its run, every other child begins a new one. The
number of a run is the position of its first message. A fork is a message that has siblings before it: `sibling` is its
index among them, `first_sibling` the position of the first one, and `forked_from` the run of that one.

A message that an older release has written is in run 1, where it follows the message before it, and may have no
`parent_id`.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, literal_column, select, true

from parley.adapters.sql.engine.id_lists import numbered_ids
from parley.adapters.sql.engine.tables import Id, messages, rooms
from parley.core.chat.tree import SIBLINGS_SHOWN, Siblings

_room = bindparam("room", type_=Id)
_shown_each_side = SIBLINGS_SHOWN // 2

room_then = rooms.alias("room_then")
# The position of a room's head, 0 in an empty room.
head_position: dict[Any, ColumnElement[int]] = {
    room: case((room.c.shown_since == room.c.last_position, room.c.shown_position), else_=room.c.last_position)
    for room in (rooms, room_then)
}

fork = messages.alias("fork")
# A literal: a partial index is used only if the statement repeats its condition literally.
is_fork = fork.c.sibling > literal_column("0")
_is_sibling = and_(
    fork.c.room_id == messages.c.room_id,
    fork.c.forked_from == func.coalesce(messages.c.forked_from, messages.c.run),
    fork.c.first_sibling == func.coalesce(messages.c.first_sibling, messages.c.position),
    is_fork,
)
_first = messages.alias("first")
_first_id = (
    select(_first.c.id)
    .where(_first.c.room_id == messages.c.room_id, _first.c.position == messages.c.first_sibling)
    .correlate(messages)
    .scalar_subquery()
)
# Asked once for all messages of a page: most rooms have no fork at all.
_room_has_forks = select(fork.c.sibling).where(fork.c.room_id == _room, is_fork).limit(1).scalar_subquery() > 0
# Of an exchange as it was when its reply was added.
_until_reply = (
    fork.c.position <= select(_first.c.position).where(_first.c.id == bindparam("reply", type_=Id)).scalar_subquery()
)
_forks_around = (fork.c.sibling >= messages.c.sibling - _shown_each_side) & (
    fork.c.sibling < messages.c.sibling + _shown_each_side
)
# The index, the first sibling's id if that is another one, the highest index, and the forks around this message: as
# `read_siblings` takes them.
sibling_columns, sibling_columns_of_exchange, sibling_columns_of_any_room = (
    (
        messages.c.sibling,
        case((messages.c.sibling > 0, _first_id)),
        case((asked_for, select(func.max(fork.c.sibling)).where(*forks).correlate(messages).scalar_subquery())),
        case((
            asked_for,
            select(numbered_ids(fork.c.sibling, fork.c.id))
            .where(*forks, _forks_around)
            .correlate(messages)
            .scalar_subquery(),
        )),
    )
    for asked_for, forks in (
        (_room_has_forks, [_is_sibling]),
        (true(), [_is_sibling, _until_reply]),
        (true(), [_is_sibling]),
    )
)  # fmt: skip


def read_siblings(id_: UUID, index: int, first_id: UUID | None, last: int | None, forks: str | None) -> Siblings:
    if last is None:
        return Siblings(0, 1, (id_,))
    ids = {int(number): UUID(text) for number, text in (fork.split(":") for fork in (forks or "").split())}
    if index <= _shown_each_side:
        ids[0] = first_id or id_
    return Siblings(index, last + 1, tuple(ids[number] for number in sorted(ids)))
