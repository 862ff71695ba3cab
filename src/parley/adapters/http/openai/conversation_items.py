"""The items of conversations: what clients add, and the messages of the branch that is shown."""

from collections.abc import Sequence
from typing import Any

from parley.adapters.http.openai.prompt import ROLES
from parley.adapters.http.openai.response_bodies import InputItem
from parley.adapters.http.openai.response_items import input_items, items_of
from parley.adapters.http.openai.response_prompt import read_message
from parley.core.chat.message_request import GivenMessage, check_content
from parley.core.chat.model import FinishReason, Message, Role, Status
from parley.core.errors import InvalidInput


def given_messages(items: Sequence[InputItem]) -> list[GivenMessage]:
    """Those of the items that are messages; reasoning is left out. Raises InvalidInput that names the wrong field."""
    return [_given(item, f"items[{index}]") for index, item in enumerate(items) if item.type != "reasoning"]


def items_of_message(message: Message) -> list[dict[str, Any]]:
    """None of a reply that has not ended."""
    if message.role is Role.USER:
        return input_items(message)
    if not message.status.ended:
        return []
    is_whole = message.status is Status.COMPLETED and message.finish_reason in (None, FinishReason.STOP)
    return items_of(message, "completed" if is_whole else "incomplete")


def _given(item: InputItem, path: str) -> GivenMessage:
    role, text = read_message(item, path)
    if role not in ROLES:
        raise InvalidInput(f"{path}.role", "must be user or assistant")
    check_content(text, f"{path}.content")
    return GivenMessage(ROLES[role], text)
