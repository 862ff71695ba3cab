"""The items of conversations: what clients add, and the messages of the branch that is shown."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from parley.adapters.http.openai.prompt import ROLES
from parley.adapters.http.openai.response_bodies import InputItem, ItemList
from parley.adapters.http.openai.response_items import context_items, items_of
from parley.adapters.http.openai.response_prompt import read_message
from parley.core.chat import ChatPorts
from parley.core.chat.errors import MessageNotFound
from parley.core.chat.history import read_shown
from parley.core.chat.message_request import GivenMessage, check_content
from parley.core.chat.model import FinishReason, Message, Role, Status
from parley.core.errors import InvalidInput

_ID = re.compile(r"(?:msg|rs)_([0-9a-f]{32})(?:_\d{1,4})?")


def given_messages(items: Sequence[InputItem]) -> list[GivenMessage]:
    """Those of the items that are messages; reasoning is left out. Raises InvalidInput that names the wrong field."""
    return [_given(item, f"items[{index}]") for index, item in enumerate(items) if item.type != "reasoning"]


def items_of_message(message: Message) -> list[dict[str, Any]]:
    """None of a reply that has not ended."""
    if message.role is Role.USER:
        return context_items([message])
    if not message.status.ended:
        return []
    is_whole = message.status is Status.COMPLETED and message.finish_reason in (None, FinishReason.STOP)
    return items_of(message, "completed" if is_whole else "incomplete")


def item_list(items: list[dict[str, Any]], *, has_more: bool = False) -> ItemList:
    """An empty one has empty ids: OpenAI's clients expect text."""
    return ItemList(items, items[0]["id"] if items else "", items[-1]["id"] if items else "", has_more)


def message_of_item(item_id: str) -> UUID | None:
    """The id of the message of which it is an item; None for what is no item's id."""
    found = _ID.fullmatch(item_id)
    return UUID(found[1]) if found else None


async def read_items(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, after: str | None, limit: int, newest_first: bool
) -> ItemList:
    """The page of up to `limit` items behind the item `after`. Raises RoomNotFound, and InvalidInput for `after`."""
    items: list[dict[str, Any]] = []
    passed = None if after is None else message_of_item(after)
    if after is not None and passed is None:
        raise _unknown_after()
    # The message that was passed, and one that shows that there are more.
    most = limit + 2
    while len(items) <= limit:
        try:
            messages = await read_shown(
                chat, account_id=account_id, room_id=room_id, after=passed, limit=most, newest_first=newest_first
            )
        except MessageNotFound as error:
            raise _unknown_after() from error
        for message in messages:
            own = items_of_message(message)[:: -1 if newest_first else 1]
            items += _behind(own, after) if message.id == passed else own
        if len(messages) < most:
            break
        passed, after = messages[-1].id, None
    return item_list(items[:limit], has_more=len(items) > limit)


def _behind(items: list[dict[str, Any]], after: str | None) -> list[dict[str, Any]]:
    """The items behind that one; none if the last one was passed."""
    if after is None:
        return []
    ids = [item["id"] for item in items]
    if after not in ids:
        raise _unknown_after()
    return items[ids.index(after) + 1 :]


def _given(item: InputItem, path: str) -> GivenMessage:
    role, text = read_message(item, path)
    if role not in ROLES:
        raise InvalidInput(f"{path}.role", "must be user or assistant")
    check_content(text, f"{path}.content")
    return GivenMessage(ROLES[role], text)


def _unknown_after() -> InvalidInput:
    return InvalidInput("after", "must be the id of an item of this conversation")
