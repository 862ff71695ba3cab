"""Pages of items, which OpenAI's clients ask for in the same words everywhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar.params import QueryParameter

from parley.adapters.http.openai.response_bodies import ITEM_ID, ItemList
from parley.adapters.http.openapi.fields import example
from parley.core.chat import ChatPorts
from parley.core.chat.errors import MessageNotFound
from parley.core.chat.history import read_from
from parley.core.chat.model import Message
from parley.core.errors import InvalidInput

_ID = re.compile(r"(?:msg|rs)_([0-9a-f]{32})(?:_\d{1,4})?")
After = Annotated[
    str | None,
    QueryParameter(max_length=100, description="The last item of the page before", examples=example(ITEM_ID)),
]
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="The most items", examples=example(20))]
Order = Annotated[
    Literal["asc", "desc"],
    QueryParameter(description="Oldest (`asc`) or newest first", examples=example("asc")),
]


@dataclass(frozen=True, slots=True)
class Branch:
    """The branch of a room that ends with position `last`, None for the one that is shown, and its messages' items."""

    account_id: UUID
    room_id: UUID
    items_of: Callable[[Message], list[dict[str, Any]]]
    last: int | None = None


async def read_items(chat: ChatPorts, branch: Branch, *, after: After, limit: Limit, order: Order) -> ItemList:
    """The page of up to `limit` items behind the item `after`. Raises RoomNotFound, and InvalidInput for `after`."""
    items: list[dict[str, Any]] = []
    passed = None if after is None else message_of_item(after)
    if after is not None and passed is None:
        raise _unknown_after()
    newest_first = order == "desc"
    # The message that was passed, and one that shows that there are more.
    most = limit + 2
    while len(items) <= limit:
        messages = await _read_messages(chat, branch, after=passed, limit=most, newest_first=newest_first)
        for message in messages:
            own = branch.items_of(message)[:: -1 if newest_first else 1]
            items += _behind(own, after) if message.id == passed else own
        if len(messages) < most:
            break
        passed, after = messages[-1].id, None
    return item_list(items[:limit], has_more=len(items) > limit)


def item_list(items: list[dict[str, Any]], *, has_more: bool = False) -> ItemList:
    """An empty one has empty ids: OpenAI's clients expect text."""
    return ItemList(items, items[0]["id"] if items else "", items[-1]["id"] if items else "", has_more)


def message_of_item(item_id: str) -> UUID | None:
    """The id of the message of which it is an item; None for what is no item's id."""
    found = _ID.fullmatch(item_id)
    return UUID(found[1]) if found else None


async def _read_messages(
    chat: ChatPorts, branch: Branch, *, after: UUID | None, limit: int, newest_first: bool
) -> list[Message]:
    try:
        return await read_from(
            chat,
            account_id=branch.account_id,
            room_id=branch.room_id,
            last=branch.last,
            after=after,
            limit=limit,
            newest_first=newest_first,
        )
    except MessageNotFound as error:
        raise _unknown_after() from error


def _behind(items: list[dict[str, Any]], after: str | None) -> list[dict[str, Any]]:
    """The items behind that one; none if the last one was passed."""
    if after is None:
        return []
    ids = [item["id"] for item in items]
    if after not in ids:
        raise _unknown_after()
    return items[ids.index(after) + 1 :]


def _unknown_after() -> InvalidInput:
    return InvalidInput("after", "must be the id of an item of this list")
