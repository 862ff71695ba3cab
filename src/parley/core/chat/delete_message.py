"""Deleting the last message of a branch, the only one on which nothing depends."""

from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import MessageNotFound, NotTheLastMessage, RoomNotFound
from parley.core.chat.model import Room


async def delete_last_message(chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID) -> Room:
    """The message before it is the head then, and what a shared copy of it ends with. What it cost stays counted.

    Raises RoomNotFound, MessageNotFound, NotTheLastMessage.
    """
    async with chat.uow() as unit:
        if not await unit.rooms.lock(room_id, account_id):
            raise RoomNotFound
        room = await unit.rooms.get(room_id, account_id)
        message = await unit.messages.get(message_id, room_id, account_id)
        if room is None or message is None:
            raise MessageNotFound
        if room.head != message.id or not message.status.ended or message.siblings.count > 1:
            raise NotTheLastMessage
        parent = message.parent_id and await unit.messages.get(message.parent_id, room_id, account_id)
        if not parent:
            raise NotTheLastMessage
        await unit.messages.remove(message, after=parent.position)
        await unit.rooms.show(room_id, position=parent.position)
        await unit.commit()
    await chat.room_list_cache.drop(account_id)
    return room
