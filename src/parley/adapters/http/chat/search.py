"""The HTTP endpoint that finds messages and chatrooms."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from msgspec import Struct

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.message_bodies import MessageBody, message_body
from parley.adapters.http.chat.room_bodies import RoomListItem, room_list_item
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import REPLY, STORABLE, described, example
from parley.adapters.http.pagination import (
    Limit,
    NextCursor,
    SearchCursorText,
    read_search_cursor,
    search_cursor,
)
from parley.adapters.http.ports import Ports
from parley.core.chat.search import QUERY_CHARACTERS, Found, search
from parley.core.errors import InvalidInput


class FoundBody(Struct):
    """A message that was found, with its chatroom, or a chatroom that was found by its name."""

    chatroom: Annotated[RoomListItem, described("The chatroom")]
    message: Annotated[MessageBody | None, described("The message; null for a chatroom found by its name", REPLY)]
    snippet: Annotated[
        str, described("The passage with the words, as plain text on one line", "You said: Where is it warm in May?")
    ]
    highlights: Annotated[
        list[tuple[int, int]],
        described("Where the words are in the snippet: start and end in its code points", [[22, 26]]),
    ]


class FoundPageBody(Struct):
    """What was found, best first."""

    items: Annotated[list[FoundBody], described("What was found, best first")]
    next_cursor: NextCursor


@get(
    "/search",
    operation_id="search",
    summary="Find messages and chatrooms",
    tags=("Messages",),
    security=BEARER_OR_KEY,
    responses=problems(InvalidInput("q", "must have 1 to 200 characters"), 401),
)
async def search_all(
    request: AuthenticatedRequest,
    ports: Ports,
    q: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=QUERY_CHARACTERS,
            description="Words that must all occur; no character is an operator",
            examples=example("warm may"),
            schema_extra={"pattern": STORABLE},
        ),
    ],
    limit: Limit = 50,
    cursor: SearchCursorText = None,
) -> FoundPageBody:
    """Messages of all chatrooms, with all branches, and chatrooms by their names.

    A word is found without regard to case and accents, and its last letters may be missing. Text without spaces between
    words, such as Chinese, is found anywhere. Of more than 500 matches the newest are ranked and listed.
    """
    page = await search(
        ports.chat, account_id=request.user.account_id, query=q, after=read_search_cursor(cursor), limit=limit
    )
    return FoundPageBody([_found_body(item) for item in page.items], search_cursor(page.next_cursor))


def _found_body(found: Found) -> FoundBody:
    return FoundBody(
        room_list_item(found.room),
        None if found.message is None else message_body(found.message),
        found.snippet.text,
        list(found.snippet.highlights),
    )
