"""Rooms and messages whose ids their clients made.

Ids of parley work in their place, for what was not made by such a client.
"""

from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.client_ids import CLIENT_ID_CHARACTERS
from parley.core.chat.errors import MessageNotFound, RoomNotFound
from parley.core.chat.model import Message, Role, Room
from parley.core.chat.naming import NEW_ROOM_NAME, Naming
from parley.core.chat.rooms import add_room
from parley.core.chat.stores import ChatUnit
from parley.core.text import check_text, storable


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """The ids that a client gave its room and a user's message there."""

    chat_id: str
    id: str

    def check(self) -> None:
        """Raises InvalidInput."""
        check_text("id", self.chat_id, longest=CLIENT_ID_CHARACTERS)
        check_text("message.id", self.id, longest=CLIENT_ID_CHARACTERS)


async def read_client_room(chat: ChatPorts, *, account_id: UUID, chat_id: str) -> Room | None:
    """The account's room with that id; None if there is none."""
    async with chat.uow(read_only=True) as unit:
        room_id = await _room_id(unit, account_id, chat_id)
        return None if room_id is None else await unit.rooms.get(room_id, account_id)


async def find_reply(
    chat: ChatPorts, *, account_id: UUID, chat_id: str, message_id: str | None, last_question: str | None
) -> Message:
    """The reply that a client wants another one beside: `message_id`, or the newest one to that user's message.

    Without it, the newest reply to `last_question`, or else the head. Raises RoomNotFound, MessageNotFound.
    """
    async with chat.uow(read_only=True) as unit:
        room_id = await _room_id(unit, account_id, chat_id)
        room = room_id and await unit.rooms.get(room_id, account_id)
        if not room:
            raise RoomNotFound
        found = None
        for named in (message_id, last_question):
            if found is None and named is not None:
                found = await _message(unit, room, named)
        if found is not None and found.role is Role.USER:
            found = await unit.messages.get(await newest_reply(unit, found), room.id, account_id)
        if found is None and message_id is None and room.head is not None:
            found = await unit.messages.get(room.head, room.id, account_id)
    if found is None:
        raise MessageNotFound
    return found


async def find_or_add_room(chat: ChatPorts, unit: ChatUnit, *, account_id: UUID, chat_id: str) -> UUID:
    """The room with that id, made in this unit of work if there is none. Raises TooManyRooms, PlanRoomsUsed."""
    found = await _room_id(unit, account_id, chat_id)
    if found is None:
        await unit.rooms.lock_account(account_id)
        # Another request may have made it meanwhile.
        found = await _room_id(unit, account_id, chat_id)
    if found is not None:
        return found
    now = chat.now()
    room = Room(chat.new_id(), account_id, NEW_ROOM_NAME, None, None, created_at=now, active_at=now, naming=Naming.NONE)
    await add_room(chat, unit, room, await unit.quota.plan(account_id, now=now))
    await unit.client_ids.give_room(room.id, chat_id)
    return room.id


async def said_before(unit: ChatUnit, room: Room, client: ClientMessage | None) -> Message | None:
    """The newest version of the user's message with that id, if it has one. The room is locked."""
    if client is None:
        return None
    found = await _message(unit, room, client.id)
    return found if found is not None and found.role is Role.USER else None


async def newest_reply(unit: ChatUnit, question: Message) -> UUID:
    """Raises MessageNotFound."""
    found = await unit.client_ids.newest_reply(question.room_id, question.id)
    if found is None:
        raise MessageNotFound
    return found


async def _room_id(unit: ChatUnit, account_id: UUID, chat_id: str) -> UUID | None:
    if not storable(chat_id):
        return None
    found = await unit.client_ids.room(account_id, chat_id)
    own = _as_uuid(chat_id)
    if found is None and own is not None and await unit.rooms.get(own, account_id) is not None:
        return own
    return found


async def _message(unit: ChatUnit, room: Room, message_id: str) -> Message | None:
    if not storable(message_id):
        return None
    found = await unit.client_ids.message(room.id, message_id) or _as_uuid(message_id)
    return None if found is None else await unit.messages.get(found, room.id, room.account_id)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
