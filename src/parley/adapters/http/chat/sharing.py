"""HTTP endpoints for sharing a conversation, and for reading what is shared."""

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Controller, MediaType, Request, Response, delete, get, post
from litestar.datastructures.headers import Accept
from litestar.exceptions import HTTPException
from litestar.params import PathParameter
from msgspec import Struct

from parley.adapters.http.auth import BEARER_OR_KEY, PUBLIC, AuthenticatedRequest
from parley.adapters.http.chat.message_bodies import RoomId
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import COPIED_AT, MODEL, REPLY, SHARE_URL, SHARED_TOKEN, described, example
from parley.adapters.http.openapi.operation import header, operation
from parley.adapters.http.pages.absolute import absolute
from parley.adapters.http.pages.shared_page import refusal_page, shared_page
from parley.adapters.http.pagination import Limit, NextCursor, SharedCursorText, position_cursor, read_position_cursor
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.rate_limits.address import limit_shared_by_address
from parley.core.chat.errors import NotShared, RoomNotFound, ShareNotFound
from parley.core.chat.share_store import Share, SharedMessage
from parley.core.chat.sharing import end_sharing, read_share, read_shared, share_room
from parley.core.errors import DomainError, InvalidInput

_ON_A_PAGE = 100
# Browsers send 150 characters. Sixty thousand commas would take Litestar more than half a second.
_LONGEST_ACCEPT = 1_000


class ShareBody(Struct):
    """A shared copy of a conversation. Everyone who has the address can read it."""

    url: Annotated[str, described("The address of the copy", SHARE_URL)]
    created_at: Annotated[datetime, described("When the copy was made", COPIED_AT)]


class SharedMessageBody(Struct):
    """A message of a shared copy."""

    role: Annotated[Literal["user", "assistant"], described("The author", "assistant")]
    content: Annotated[str, described("The text", REPLY["content"])]
    status: Annotated[Literal["completed", "failed", "stopped"], described("How the message ended", "completed")]
    model: Annotated[str | None, described("The model that wrote the reply; null for a user's message", MODEL)]
    finish_reason: Annotated[
        Literal["stop", "length", "content_filter"] | None, described("Why the model ended the reply", "stop")
    ]


class SharedBody(Struct):
    """A page of a shared copy, from its beginning."""

    title: Annotated[str, described("The chatroom's name when the copy was made", "Holiday plans")]
    created_at: Annotated[datetime, described("When the copy was made", COPIED_AT)]
    items: Annotated[list[SharedMessageBody], described("The messages of this page, oldest first")]
    next_cursor: NextCursor


class ShareController(Controller):
    path = "/chatroom/{chatroom_id:uuid}/share"
    tags = ("Chatrooms",)
    security = BEARER_OR_KEY

    @post(
        operation_id="shareChatroom",
        summary="Share the conversation",
        responses=problems(400, 401, RoomNotFound()),
    )
    async def share(self, chatroom_id: RoomId, request: AuthenticatedRequest, ports: Ports) -> ShareBody:
        """Makes a read-only copy of the branch that is shown, as it is now, for everyone who has its address.

        It has the name and the texts, without reasoning and feedback, up to a reply that is still being written.
        Repeated, it makes a new copy at the same address.
        """
        share = await share_room(ports.chat, account_id=request.user.account_id, room_id=chatroom_id)
        return share_body(share, request, ports)

    @get(
        operation_id="getShare",
        summary="Read the address of the shared copy",
        responses=problems(400, 401, RoomNotFound(), NotShared()),
    )
    async def read(self, chatroom_id: RoomId, request: AuthenticatedRequest, ports: Ports) -> ShareBody:
        """The address, and when the copy was made."""
        share = await read_share(ports.chat, account_id=request.user.account_id, room_id=chatroom_id)
        return share_body(share, request, ports)

    @delete(
        operation_id="endSharing",
        summary="End sharing the conversation",
        responses=problems(400, 401, RoomNotFound()),
    )
    async def end(self, chatroom_id: RoomId, request: AuthenticatedRequest, ports: Ports) -> None:
        """At once and for good: sharing again has another address. Deleting the chatroom does the same."""
        await end_sharing(ports.chat, account_id=request.user.account_id, room_id=chatroom_id)


def _refuse(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A problem as everywhere, as a page for browsers."""
    kind = next(kind for kind in (DomainError, HTTPException, Exception) if isinstance(error, kind))
    handle: Any = request.app.exception_handlers[kind]
    refusal: Response[Any] = handle(request, error)
    problem = refusal.content
    if _wants_page(request):
        refusal_headers = refusal.headers
        refusal = refusal_page(problem.title, problem.detail, status=problem.status)
        refusal.headers.update(refusal_headers)
    refusal.headers["Vary"] = "Accept"
    return refusal


def _also_pages(schema: dict[str, Any]) -> None:
    for response in schema["responses"].values():
        response["content"][MediaType.HTML] = {
            "schema": {"type": "string", "description": "A page for browsers"},
            "examples": {"page": {"summary": "page", "value": "<!doctype html>…"}},
        }


@get(
    "/shared/{token:str}",
    operation_id="readShared",
    summary="Read a shared conversation",
    tags=("Chatrooms",),
    opt=PUBLIC,
    guards=[limit_shared_by_address],
    exception_handlers={DomainError: _refuse, HTTPException: _refuse, Exception: _refuse},
    operation_class=operation(
        headers={
            200: {"X-Robots-Tag": header("Keeps it out of search engines", "noindex, nofollow", "noindex, nofollow")}
        },
        edit=_also_pages,
    ),
    responses=problems(InvalidInput("cursor", "is not a next_cursor of this list"), ShareNotFound(), 429),
)
async def read_shared_copy(
    request: Request[Any, Any, Any],
    ports: Ports,
    token: Annotated[str, PathParameter(description="The secret part of the address", examples=example(SHARED_TOKEN))],
    limit: Limit = _ON_A_PAGE,
    cursor: SharedCursorText = None,
) -> Response[SharedBody]:
    """For everyone who has the address, from the first message on: a page for browsers, JSON for programs, by `Accept`.

    It is not stored by caches, so that it ends when its owner ends it.
    """
    skip = read_position_cursor(cursor)
    found = await read_shared(ports.chat, token=token, skip=skip or 0, limit=limit)
    if ports.accounts.revocations.knows_suspended(found.account_id):
        raise ShareNotFound
    next_cursor = position_cursor(found.next_skip)
    # Declared as JSON for the OpenAPI document.
    response: Any
    if _wants_page(request):
        response = shared_page(found.share, found.items, is_first=not skip, next_cursor=next_cursor)
    else:
        items = [_message_body(message) for message in found.items]
        response = Response(SharedBody(found.share.title, found.share.created_at, items, next_cursor))
    response.headers.update({"X-Robots-Tag": "noindex, nofollow", "Vary": "Accept"})
    return response  # type: ignore[no-any-return]


def share_body(share: Share, request: Request[Any, Any, Any], ports: HttpPorts) -> ShareBody:
    return ShareBody(absolute(f"/shared/{share.token}", request, ports), share.created_at)


def _message_body(message: SharedMessage) -> SharedMessageBody:
    return SharedMessageBody(
        role=message.role.value,
        content=message.content,
        status=message.status.value,  # type: ignore[arg-type]
        model=message.model,
        finish_reason=None if message.finish_reason is None else message.finish_reason.value,
    )


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether the client prefers HTML. A client without a preference gets JSON, as everywhere here."""
    accept = request.headers.get("accept", "*/*")
    if len(accept) > _LONGEST_ACCEPT:
        return False
    try:
        accepted = Accept(accept)
    except OverflowError:
        # Litestar's, for the quality `inf`.
        return False
    return accepted.best_match([MediaType.JSON, MediaType.HTML]) == MediaType.HTML
