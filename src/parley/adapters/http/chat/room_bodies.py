"""Bodies of requests and answers that hold chatrooms."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.chat.message_bodies import MessageBody, ModelName
from parley.adapters.http.openapi.fields import MESSAGE, REPLY, REPLY_ID, ROOM_ID, STORABLE, described
from parley.adapters.http.pagination import NextCursor
from parley.core.chat.model import ROOM_NAME_CHARACTERS, Room
from parley.core.chat.rooms import INSTRUCTIONS_CHARACTERS

Name = Annotated[
    str,
    Meta(min_length=1, max_length=ROOM_NAME_CHARACTERS),
    described("The chatroom's name", "Holiday plans", pattern=STORABLE),
]
Instructions = Annotated[
    str,
    Meta(min_length=1, max_length=INSTRUCTIONS_CHARACTERS),
    described("Instructions to the model", "Answer in one short paragraph.", pattern=STORABLE),
]
TitleSource = Annotated[
    Literal["user", "auto"],
    described(
        "`user` for a name that you gave, which no title ever replaces; `auto` for «New chat», the first words of the "
        "first message, or the title that a model wrote after the first reply",
        "user",
    ),
]
LastMessage = Annotated[
    str | None,
    described(
        "The first 200 characters of the newest message of the branch that is shown, where a reply that is still being "
        "written, or ended without text, does not count; null if empty",
        "You said: Where is it warm in May?",
    ),
]


class NewRoom(Struct, forbid_unknown_fields=True):
    """A new chatroom. Without `model` the default model generates its replies, and writes a title without `name`."""

    name: Name | UnsetType = UNSET
    model: ModelName | None = None
    instructions: Instructions | None = None


class RoomChange(Struct, forbid_unknown_fields=True):
    """Changes to a chatroom; an omitted field stays as it is, null clears `model` or `instructions`."""

    name: Name | UnsetType = UNSET
    model: ModelName | UnsetType | None = UNSET
    instructions: Instructions | UnsetType | None = UNSET
    pinned: Annotated[bool, described("Whether it comes first in the list", True)] | UnsetType = UNSET
    archived: Annotated[bool, described("Whether only the list of archived chatrooms has it", True)] | UnsetType = UNSET


class RoomListItem(Struct):
    """A chatroom in a list, without its instructions."""

    id: Annotated[UUID, described("The chatroom's id", ROOM_ID)]
    name: Annotated[str, described("The chatroom's name", "Holiday plans")]
    title_source: TitleSource
    model: Annotated[str | None, described("The model of its replies; null for the default model", None)]
    head: Annotated[UUID | None, described("The last message of the branch that is shown; null if empty", REPLY_ID)]
    pinned: Annotated[bool, described("Whether it comes first in the list", False)]
    archived: Annotated[bool, described("Whether only the list of archived chatrooms has it", False)]
    last_message: LastMessage
    external_id: Annotated[str | None, described("The id that your client gave it; null if it gave none", None)]
    created_at: Annotated[datetime, described("When the chatroom was created", "2026-11-21T09:29:00Z")]
    active_at: Annotated[
        datetime, described("The time of the latest message, or else of creation", "2026-11-21T09:30:00Z")
    ]


class RoomBody(RoomListItem):
    """A chatroom."""

    instructions: Annotated[str | None, described("Instructions to the model", "Answer in one short paragraph.")]


class RoomPageBody(Struct):
    """Chatrooms, pinned ones and then the most recently active first."""

    items: Annotated[list[RoomListItem], described("The chatrooms of this page")]
    next_cursor: NextCursor


class RoomWithMessages(RoomBody):
    """A chatroom with its latest messages."""

    messages: Annotated[
        list[MessageBody],
        described("The latest 50 messages of the branch that is shown, oldest first", [MESSAGE, REPLY]),
    ]
    next_cursor: Annotated[
        str | None, described("The `cursor` of older messages in the list of messages; null if there are none", None)
    ]


def room_body(room: Room) -> RoomBody:
    return RoomBody(**{name: getattr(room, name) for name in RoomBody.__struct_fields__})


def room_list_item(room: Room) -> RoomListItem:
    return RoomListItem(**{name: getattr(room, name) for name in RoomListItem.__struct_fields__})
