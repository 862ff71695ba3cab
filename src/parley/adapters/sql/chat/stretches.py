"""The stretches of a branch: what it has of each run (see tree.py)."""

from sqlalchemy import CTE, ColumnElement, bindparam, select

from parley.adapters.sql.chat.tree import fork
from parley.adapters.sql.engine.tables import Id, messages

_room = bindparam("room", type_=Id)


def stretches_up_to(last: ColumnElement[int]) -> CTE:
    """The stretches of the branch that ends with the position, newest first: each is a run up to its position `last`.

    Forks are looked up by position, not in their own index, which would be read from end to end for each.
    """
    end = (
        select(messages.c.run, messages.c.position.label("last"))
        .where(messages.c.room_id == _room, messages.c.position == last)
        .cte("stretches", recursive=True)
    )
    return end.union_all(
        select(fork.c.forked_from, fork.c.first_sibling - 1)
        .select_from(end.join(fork, fork.c.position == end.c.run))
        .where(fork.c.room_id == _room, fork.c.forked_from.is_not(None))
    )
