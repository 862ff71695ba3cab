"""The room of a message that is sent, which is made if the message begins it."""

from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.client_messages import ClientMessage, find_or_add_room
from parley.core.chat.message_request import MessageRequest
from parley.core.chat.model import Role
from parley.core.chat.rooms import add_new_room
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head


async def in_its_room(chat: ChatPorts, unit: ChatUnit, request: MessageRequest) -> MessageRequest:
    """The request with its room, which is made if that is asked for."""
    if request.new_room is not None:
        await add_new_room(chat, unit, request.new_room)
    return request if request.client is None else await _in_room_of_client(chat, unit, request, request.client)


async def _in_room_of_client(
    chat: ChatPorts, unit: ChatUnit, request: MessageRequest, client: ClientMessage
) -> MessageRequest:
    room_id = await find_or_add_room(chat, unit, account_id=request.account_id, chat_id=client.chat_id)
    reply = replace(request.reply, room_id=room_id)
    question = request.question and replace(request.question, room_id=room_id, external_id=client.id)
    parent = request.parent
    if isinstance(parent, UUID):
        found = await unit.messages.get(parent, room_id, request.account_id)
        parent = parent if found is not None and found.role is Role.ASSISTANT else Head.SHOWN
    return replace(request, reply=reply, question=question, parent=parent)
