"""What is read of a message, and the message that a row is."""

from typing import Any

from parley.adapters.sql.chat.parts import decode_parts
from parley.adapters.sql.chat.tree import (
    read_siblings,
    sibling_columns,
    sibling_columns_of_any_room,
    sibling_columns_of_exchange,
)
from parley.adapters.sql.engine.parents import parent_of
from parley.adapters.sql.engine.tables import messages
from parley.core.chat.model import FinishReason, Message, ReplyError, Role, Status
from parley.core.chat.rating import Feedback, Rating
from parley.core.chat.tokens import TokenUsage

# As `read_message` takes them, together with the columns of siblings.
_plain_columns = (
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
    parent_of[messages],
    messages.c.external_id,
)
# In a statement about one room, about any rooms, and about an exchange as it was when its reply was added.
columns = (*_plain_columns, *sibling_columns)
columns_of_any_room = (*_plain_columns, *sibling_columns_of_any_room)
columns_of_exchange = (*_plain_columns, *sibling_columns_of_exchange)

# Looking a value up costs a fifth of making the enumeration find it, and a page has a hundred.
_ROLES = {role.value: role for role in Role}
_STATUSES = {status.value: status for status in Status}
_NO_TOKENS = (None, None, None, None)


def read_message(row: Any) -> Message:
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
        cached_input_tokens,
        reasoning_tokens,
        error_code,
        error_detail,
        completed_at,
        attempt,
        parts,
        finish_reason,
        rating,
        comment,
        parent_id,
        external_id,
        *siblings,
    ) = row
    tokens = input_tokens, output_tokens, cached_input_tokens, reasoning_tokens
    return Message(
        id_,
        room_id,
        _ROLES[role],
        content,
        _STATUSES[status],
        created_at,
        position,
        model,
        reply_to,
        None if tokens == _NO_TOKENS else TokenUsage(*tokens),
        None if error_code is None else ReplyError(error_code, error_detail),
        completed_at,
        attempt,
        decode_parts(content, parts),
        None if finish_reason is None else FinishReason(finish_reason),
        None if rating is None else Feedback(Rating(rating), comment),
        parent_id,
        read_siblings(id_, *siblings),
        external_id,
    )
