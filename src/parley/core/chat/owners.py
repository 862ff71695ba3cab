"""Whose rooms and messages are, for the audit trail: never for an answer to a client."""

from uuid import UUID

from parley.core.chat import ChatPorts


async def owner_of_room(chat: ChatPorts, room_id: UUID) -> UUID | None:
    async with chat.uow(read_only=True) as unit:
        return await unit.rooms.owner(room_id)


async def owner_of_message(chat: ChatPorts, message_id: UUID) -> UUID | None:
    async with chat.uow(read_only=True) as unit:
        return await unit.messages.owner(message_id)
