"""Rooms over HTTP."""

import hashlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, MediaType, Request, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.auth import BEARER
from parley.adapters.http.messages import MessageBody, message_body
from parley.adapters.http.pages import Cursor, Limit, position_cursor, read_room_cursor, room_cursor
from parley.adapters.http.ports import Ports
from parley.adapters.http.problems import documented
from parley.core.accounts.model import Caller
from parley.core.chat.model import ROOM_NAME_CHARACTERS, Room
from parley.core.chat.ports import CachedPage
from parley.core.chat.rooms import (
    INSTRUCTIONS_CHARACTERS,
    RoomPage,
    change_room,
    create_room,
    delete_room,
    first_rooms,
    list_rooms,
    read_room,
)

Name = Annotated[str, Meta(min_length=1, max_length=ROOM_NAME_CHARACTERS, examples=["Holiday plans"])]
Model = Annotated[str, Meta(max_length=200, description="One of GET /models", examples=["offline/echo"])]
Instructions = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=INSTRUCTIONS_CHARACTERS,
        description="What the model is told before the conversation",
        examples=["Answer in one short paragraph."],
    ),
]


class NewRoom(Struct, forbid_unknown_fields=True):
    """A room to make. Without `model` its replies come from the default model."""

    name: Name
    model: Model | None = None
    instructions: Instructions | None = None


class RoomChange(Struct, forbid_unknown_fields=True):
    """What to change; a field that is left out stays, null clears `model` or `instructions`."""

    name: Name | UnsetType = UNSET
    model: Model | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET


class RoomBody(Struct):
    """A chatroom. `active_at` is the time of its latest message, or of its making."""

    id: UUID
    name: str
    model: str | None
    instructions: str | None
    created_at: datetime
    active_at: datetime


class RoomPageBody(Struct):
    """Rooms, latest activity first. `next_cursor` is null on the last page."""

    items: list[RoomBody]
    next_cursor: str | None


class RoomWithMessages(RoomBody):
    """A chatroom with its latest 50 messages, oldest first; `next_cursor` goes on in its message list."""

    messages: list[MessageBody]
    next_cursor: str | None


class RoomController(Controller):
    path = "/chatroom"
    tags = ("Chatrooms",)
    security = BEARER

    @post(operation_id="createChatroom", summary="Make a chatroom", responses=documented(400, 401, 413, 415))
    async def create(self, data: JSONBody[NewRoom], request: Request[Caller, Any, Any], ports: Ports) -> RoomBody:
        room = await create_room(
            uow=ports.chat,
            cache=ports.room_list_cache,
            catalogue=ports.catalogue,
            account_id=request.user.account_id,
            name=data.name,
            model=data.model,
            instructions=data.instructions,
            room_id=ports.new_id(),
            now=ports.now(),
        )
        return room_body(room)

    @get(
        operation_id="listChatrooms",
        summary="The account's chatrooms",
        responses={304: ResponseSpec(None, description="You have it"), **documented(400, 401)},
    )
    async def read_all(
        self,
        request: Request[Caller, Any, Any],
        ports: Ports,
        limit: Limit = 50,
        cursor: Cursor = None,
        if_none_match: Annotated[
            str | None,
            HeaderParameter(name="If-None-Match", description="An ETag that you have; 304 when it still holds"),
        ] = None,
    ) -> Response[RoomPageBody]:
        """Latest activity first. The first page comes out of a cache that your own writes empty; see `Cache-Status`."""
        account_id = request.user.account_id
        if cursor is not None:
            after = read_room_cursor(cursor)
            page = await list_rooms(uow=ports.chat, account_id=account_id, after=after, limit=limit)
            rendered, hit = _render(page), False
        else:
            rendered, hit = await first_rooms(
                uow=ports.chat,
                cache=ports.room_list_cache,
                reads=ports.room_list_reads,
                account_id=account_id,
                limit=limit,
                render=_render,
            )
        # Bytes go out as they are: the declared type is for the document.
        as_stored: Any = rendered.body
        nothing: Any = b""
        headers = {
            "ETag": rendered.etag,
            "Cache-Status": "parley; hit" if hit else "parley; fwd=miss",
            "Cache-Control": "private, no-cache",
        }
        if if_none_match is not None and _matches(if_none_match, rendered.etag):
            return Response(nothing, status_code=304, headers=headers)
        return Response(as_stored, headers=headers, media_type=MediaType.JSON)

    @get(
        "/{chatroom_id:uuid}",
        operation_id="getChatroom",
        summary="A chatroom with its latest messages",
        responses=documented(400, 401, 404),
    )
    async def read(
        self, chatroom_id: FromPath[UUID], request: Request[Caller, Any, Any], ports: Ports
    ) -> RoomWithMessages:
        room, page = await read_room(uow=ports.chat, account_id=request.user.account_id, room_id=chatroom_id)
        return RoomWithMessages(
            **msgspec.structs.asdict(room_body(room)),
            messages=[message_body(message) for message in page.items],
            next_cursor=position_cursor(page.next_cursor),
        )

    @patch(
        "/{chatroom_id:uuid}",
        operation_id="changeChatroom",
        summary="Change a chatroom",
        responses=documented(400, 401, 404, 413, 415),
    )
    async def change(
        self, chatroom_id: FromPath[UUID], data: JSONBody[RoomChange], request: Request[Caller, Any, Any], ports: Ports
    ) -> RoomBody:
        room = await change_room(
            uow=ports.chat,
            cache=ports.room_list_cache,
            catalogue=ports.catalogue,
            account_id=request.user.account_id,
            room_id=chatroom_id,
            changes={field: value for field, value in msgspec.structs.asdict(data).items() if value is not UNSET},
        )
        return room_body(room)

    @delete(
        "/{chatroom_id:uuid}",
        operation_id="deleteChatroom",
        summary="Delete a chatroom and its messages",
        responses=documented(400, 401, 404),
    )
    async def erase(self, chatroom_id: FromPath[UUID], request: Request[Caller, Any, Any], ports: Ports) -> None:
        await delete_room(
            uow=ports.chat, cache=ports.room_list_cache, account_id=request.user.account_id, room_id=chatroom_id
        )


def room_body(room: Room) -> RoomBody:
    return RoomBody(room.id, room.name, room.model, room.instructions, room.created_at, room.active_at)


def _render(page: RoomPage) -> CachedPage:
    body = msgspec.json.encode(RoomPageBody([room_body(room) for room in page.items], room_cursor(page.next_cursor)))
    return CachedPage(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: a list of tags or *, compared weakly."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags
