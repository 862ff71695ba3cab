"""The stretches of a branch, newest first: each is a run up to its position `last` (see tree.py)."""

from sqlalchemy import bindparam, select

from parley.adapters.sql.chat.tree import fork, head_position
from parley.adapters.sql.engine.tables import Id, messages, rooms

_room = bindparam("room", type_=Id)
head = select(head_position[rooms]).where(rooms.c.id == _room).scalar_subquery()
# Of the branch that is shown, and of the one that ends with the position `last`. Forks are looked up by position, not
# in their own index, which would be read from end to end for each.
_ends = tuple(
    select(messages.c.run, messages.c.position.label("last"))
    .where(messages.c.room_id == _room, messages.c.position == last)
    .cte("stretches", recursive=True)
    for last in (head, bindparam("last", type_=messages.c.position.type))
)
up_to_head, up_to_last = (
    end.union_all(
        select(fork.c.forked_from, fork.c.first_sibling - 1)
        .select_from(end.join(fork, fork.c.position == end.c.run))
        .where(fork.c.room_id == _room, fork.c.forked_from.is_not(None))
    )
    for end in _ends
)
