"""How many tokens a branch has, as far as the last reply of it says."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, cast, func, select

from parley.adapters.sql.chat.added_messages import head_before
from parley.adapters.sql.engine.parents import above, parent_of
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import Id, messages

_room = bindparam("room", type_=Id)
_position = func.coalesce(bindparam("after", type_=messages.c.position.type), head_before)
reply_before = messages.alias("reply_before")
# Of the branch up to the reply: what its provider counted, without reasoning, which is not sent again. If it did not
# count, what the reply reserved.
tokens_up_to: dict[Any, ColumnElement[int]] = {
    reply: func.coalesce(
        cast(reply.c.input_tokens, BigInteger)
        + reply.c.output_tokens
        - case((reply.c.reasoning_tokens <= reply.c.output_tokens, reply.c.reasoning_tokens), else_=0),
        reply.c.reserved_tokens,
    )
    for reply in (messages, above, reply_before)
}
# Of a question, those of the reply before it.
BRANCH_TOKENS = Statement(
    select(
        func.coalesce(
            tokens_up_to[above],
            select(tokens_up_to[reply_before])
            .where(reply_before.c.id == parent_of[above])
            .correlate(above)
            .scalar_subquery(),
        )
    ).where(above.c.room_id == _room, above.c.position == _position)
)
