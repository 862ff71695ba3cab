"""The ids of responses and conversations: those of replies and rooms, as OpenAI's clients write ids."""

import re
from uuid import UUID

from parley.core.errors import InvalidInput, Kind

_ID = re.compile("(resp|conv)_([0-9a-f]{32})")


class ResponseNotFound(InvalidInput):
    """The account has no such response, or has deleted it."""

    code = "response_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, field: str = "response_id") -> None:
        super().__init__(field, "There is no such response in this account.")


class PreviousResponseNotFound(ResponseNotFound):
    """The response that another one was to go on from."""

    code = "previous_response_not_found"

    def __init__(self) -> None:
        super().__init__("previous_response_id")


class ConversationNotFound(InvalidInput):
    """The account has no such conversation."""

    code = "conversation_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("conversation", "There is no such conversation in this account.")


class ItemNotFound(InvalidInput):
    """The conversation has no such item."""

    code = "item_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("item_id", "There is no such item in this conversation.")


def response_id(reply_id: UUID) -> str:
    return f"resp_{reply_id.hex}"


def conversation_id(room_id: UUID) -> str:
    return f"conv_{room_id.hex}"


def message_item_id(message_id: UUID) -> str:
    return f"msg_{message_id.hex}"


def read_id(given: str, kind: str) -> UUID | None:
    """The id of a reply (`resp`) or room (`conv`); None if it cannot be one."""
    match = _ID.fullmatch(given)
    return UUID(match[2]) if match and match[1] == kind else None
