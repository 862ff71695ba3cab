"""HTTP endpoints for chatrooms."""

import hashlib
from typing import Annotated, Any

import msgspec
from litestar import Controller, MediaType, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from parley.adapters.http.auth import BEARER_OR_KEY, AuthenticatedRequest
from parley.adapters.http.chat.message_bodies import RoomId, message_body
from parley.adapters.http.chat.plan_limits import MODEL_NOT_IN_PLAN, PLAN_ROOMS_USED
from parley.adapters.http.chat.room_bodies import (
    NewRoom,
    RoomBody,
    RoomChange,
    RoomPageBody,
    RoomWithMessages,
    room_body,
    room_list_item,
)
from parley.adapters.http.errors import problems, refuse_null
from parley.adapters.http.openapi.fields import example
from parley.adapters.http.openapi.operation import header, link, operation
from parley.adapters.http.pagination import (
    Limit,
    RoomCursorText,
    position_cursor,
    read_room_cursor,
    room_cursor,
)
from parley.adapters.http.ports import Ports, ports_of
from parley.core.chat.errors import RoomNotFound, TooManyInstructions, TooManyRooms, UnknownModel
from parley.core.chat.ports import CachedPage
from parley.core.chat.room_limits import RoomLimits
from parley.core.chat.room_list import RoomPage, first_rooms, list_rooms
from parley.core.chat.rooms import change_room, create_room, delete_room, read_room
from parley.core.errors import InvalidInput

_NAME_INVALID = InvalidInput("name", "must have 1 to 200 characters")
_INSTRUCTIONS_REFUSED = TooManyInstructions(RoomLimits().instruction_bytes)
_ROOM = {"chatroom_id": "$response.body#/id"}
_LINKS = {
    "read": link("getChatroom", "Read the chatroom", parameters=_ROOM),
    "change": link("changeChatroom", "Change the chatroom", parameters=_ROOM),
    "say": link("postMessage", "Send a message", parameters=_ROOM),
    "show": link("showBranch", "Show another branch", parameters=_ROOM),
    "history": link("listMessages", "List the messages", parameters=_ROOM),
    "delete": link("deleteChatroom", "Delete the chatroom and its messages", parameters=_ROOM),
}
_LIST_HEADERS = {
    "ETag": header("For If-None-Match with this page", '"0f4c1d2b3a5968778695a4b3c2d1e0f1"', '"[0-9a-f]{32}"'),
    "Cache-Status": header("Whether the cache had the page (RFC 9211)", "parley; hit", "parley; (hit|fwd=miss)"),
}


class RoomController(Controller):
    path = "/chatroom"
    tags = ("Chatrooms",)
    security = BEARER_OR_KEY

    @post(
        operation_id="createChatroom",
        summary="Create a chatroom",
        operation_class=operation(
            examples={
                "nothing": {},
                "only a name": {"name": "Holiday plans"},
                "all fields": {
                    "name": "Holiday plans",
                    "model": "offline/echo",
                    "instructions": "Answer in one short paragraph.",
                },
            },
            links={201: _LINKS},
        ),
        responses=problems(
            _NAME_INVALID,
            UnknownModel("none/such"),
            401,
            MODEL_NOT_IN_PLAN,
            PLAN_ROOMS_USED,
            TooManyRooms(10_000),
            _INSTRUCTIONS_REFUSED,
            413,
            415,
        ),
    )
    async def create(
        self, request: AuthenticatedRequest, ports: Ports, data: JSONBody[NewRoom | None] = None
    ) -> RoomBody:
        """A chatroom holds one conversation: the model gets its earlier messages with each new one.

        Without a name it is called «New chat», then by the first words of the first message, and after the first reply
        by a title that a model writes, at no cost to the quota. The body may be left out.
        """
        await refuse_null(request, data)
        wanted = data or NewRoom()
        room = await create_room(
            ports.chat,
            account_id=request.user.account_id,
            name=None if isinstance(wanted.name, UnsetType) else wanted.name,
            model=wanted.model,
            instructions=wanted.instructions,
        )
        return room_body(room)

    @get(
        operation_id="listChatrooms",
        summary="List the chatrooms",
        operation_class=operation(headers={200: _LIST_HEADERS, 304: _LIST_HEADERS}),
        responses={304: ResponseSpec(None, description="The page has not changed"), **problems(400, 401)},
    )
    async def read_all(
        self,
        request: AuthenticatedRequest,
        limit: Limit = 50,
        cursor: RoomCursorText = None,
        archived: Annotated[
            bool, QueryParameter(description="The archived chatrooms instead of the others", examples=example(False))
        ] = False,
        if_none_match: Annotated[
            str | None,
            HeaderParameter(
                name="If-None-Match",
                description="The ETag of an earlier response; 304 if the page has not changed",
                examples=example('"0f4c1d2b3a5968778695a4b3c2d1e0f1"'),
            ),
        ] = None,
    ) -> Response[RoomPageBody]:
        """Pinned chatrooms first, then latest activity. The first page is cached until your next write."""
        account_id, chat = request.user.account_id, ports_of(request).chat
        if archived or cursor is not None:
            after = read_room_cursor(cursor)
            page = await list_rooms(chat, account_id=account_id, after=after, limit=limit, archived=archived)
            rendered, hit = _render(page), False
        else:
            rendered, hit = await first_rooms(chat, account_id=account_id, limit=limit, render=_render)
        # Bytes are sent as they are; the declared return type is for the OpenAPI document.
        body: Any = rendered.body
        empty: Any = b""
        headers = {
            "ETag": rendered.etag,
            "Cache-Status": "parley; hit" if hit else "parley; fwd=miss",
        }
        if if_none_match is not None and _matches(if_none_match, rendered.etag):
            return Response(empty, status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=MediaType.JSON)

    @get(
        "/{chatroom_id:uuid}",
        operation_id="getChatroom",
        summary="Read a chatroom with its latest messages",
        responses=problems(400, 401, RoomNotFound()),
    )
    async def read(self, chatroom_id: RoomId, request: AuthenticatedRequest, ports: Ports) -> RoomWithMessages:
        """With the latest 50 messages of the branch that is shown, oldest first; listMessages returns older ones."""
        room, page = await read_room(ports.chat, account_id=request.user.account_id, room_id=chatroom_id)
        return RoomWithMessages(
            **msgspec.structs.asdict(room_body(room)),
            messages=[message_body(message) for message in page.items],
            next_cursor=position_cursor(page.next_cursor),
        )

    @patch(
        "/{chatroom_id:uuid}",
        operation_id="changeChatroom",
        summary="Change a chatroom",
        responses=problems(
            _NAME_INVALID,
            UnknownModel("none/such"),
            401,
            MODEL_NOT_IN_PLAN,
            RoomNotFound(),
            405,
            _INSTRUCTIONS_REFUSED,
            413,
            415,
        ),
    )
    async def change(
        self, chatroom_id: RoomId, data: JSONBody[RoomChange], request: AuthenticatedRequest, ports: Ports
    ) -> RoomBody:
        """Fields that are left out do not change. Replies that are being written are not affected."""
        room = await change_room(
            ports.chat,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            changes={field: value for field, value in msgspec.structs.asdict(data).items() if value is not UNSET},
        )
        return room_body(room)

    @delete(
        "/{chatroom_id:uuid}",
        operation_id="deleteChatroom",
        summary="Delete a chatroom and its messages",
        responses=problems(400, 401, RoomNotFound(), 405),
    )
    async def erase(self, chatroom_id: RoomId, request: AuthenticatedRequest, ports: Ports) -> None:
        """Immediate and final; replies that are being written are abandoned."""
        await delete_room(ports.chat, account_id=request.user.account_id, room_id=chatroom_id)


def _render(page: RoomPage) -> CachedPage:
    items = [room_list_item(room) for room in page.items]
    body = msgspec.json.encode(RoomPageBody(items, room_cursor(page.next_cursor)))
    return CachedPage(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison with a list of tags or `*` (RFC 9110, section 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags
