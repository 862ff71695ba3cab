"""Replies that clients find without naming a room: asked for with settings of their own, read, and forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.accepted import Accepted
from parley.core.chat.errors import MessageNotFound, ReplyNotFound
from parley.core.chat.given_messages import check_given
from parley.core.chat.history import add_parts_so_far
from parley.core.chat.message_request import GivenMessage, MessageRequest, check_content, new_exchange
from parley.core.chat.messages import accept_in_steps, announced
from parley.core.chat.metadata import check_metadata
from parley.core.chat.model import Message, Role, Room
from parley.core.chat.naming import NEW_ROOM_NAME, Naming
from parley.core.chat.reply_settings import ReplySettings
from parley.core.chat.rooms import INSTRUCTIONS_CHARACTERS
from parley.core.chat.stores import ChatUnit
from parley.core.chat.tree import Head
from parley.core.text import check_text


@dataclass(frozen=True, slots=True)
class RequestedReply:
    """A reply with its settings and the message that it answers."""

    question: Message
    reply: Message
    settings: ReplySettings


async def request_reply(
    chat: ChatPorts,
    *,
    account_id: UUID,
    content: str,
    model: str | None,
    settings: ReplySettings,
    room_id: UUID | None = None,
    room_instructions: str | None = None,
    before: Sequence[GivenMessage] = (),
) -> Accepted:
    """Accept a message for exactly one reply; the messages of `before`, which cost nothing, are added in front of it.

    It goes on after the reply that `settings` name, which makes a branch, or from the head of the room `room_id`.
    Without either it begins a new room with `room_instructions`, in the same transaction.

    Raises as `post_message`, for a new room also as `create_room`, and ReplyNotFound instead of what concerns a parent.
    """
    check_content(content)
    if before:
        check_given(before, "before")
    _check_settings(settings)
    new_room = None
    if settings.after is not None:
        room_id = (await read_requested(chat, account_id=account_id, reply_id=settings.after)).reply.room_id
    elif room_id is None:
        new_room = _new_room(chat, account_id, room_instructions)
        room_id = new_room.id
    question, reply = new_exchange(chat, room_id, content, model)
    parent = settings.after or Head.SHOWN
    request = MessageRequest(
        account_id, question, reply, None, parent, before=before, settings=settings, new_room=new_room
    )
    return await announced(chat, request, await accept_in_steps(chat, request))


async def read_requested(chat: ChatPorts, *, account_id: UUID, reply_id: UUID) -> RequestedReply:
    """Any reply in a room of the account, with its text so far, unless it was forgotten. Raises ReplyNotFound."""
    async with chat.uow(read_only=True) as unit:
        found = await _requested(unit, account_id, reply_id)
    try:
        reply = await add_parts_so_far(chat, found.reply, account_id=account_id)
    except MessageNotFound as gone:
        raise ReplyNotFound from gone
    return replace(found, reply=reply)


async def forget_reply(chat: ChatPorts, *, account_id: UUID, reply_id: UUID) -> None:
    """Make the reply unknown without the name of its room, and forget its settings. Raises ReplyNotFound.

    Its room has it still. One that is being written is written to its end, with the instructions and options that were
    asked for: those stay until its room is deleted.
    """
    async with chat.uow() as unit:
        found = await _requested(unit, account_id, reply_id)
        # Settings refer to the reply, which must not be deleted meanwhile.
        if not await unit.rooms.lock(found.reply.room_id, account_id):
            raise ReplyNotFound
        found = await _requested(unit, account_id, reply_id)
        used = replace(found.settings, metadata=(), after=None)
        settings = ReplySettings() if found.reply.status.ended else used
        await unit.reply_settings.save(reply_id, replace(settings, forgotten=True))
        await unit.commit()


async def _requested(unit: ChatUnit, account_id: UUID, reply_id: UUID) -> RequestedReply:
    reply = (await unit.messages.many([reply_id], account_id)).get(reply_id)
    # The room of a prompt is not found.
    if reply is None or reply.role is not Role.ASSISTANT or await unit.rooms.get(reply.room_id, account_id) is None:
        raise ReplyNotFound
    settings = await unit.reply_settings.get(reply_id)
    exchange = await unit.messages.exchange(reply_id)
    if settings.forgotten or exchange is None:
        raise ReplyNotFound
    return RequestedReply(exchange[0], reply, settings)


def _new_room(chat: ChatPorts, account_id: UUID, instructions: str | None) -> Room:
    now = chat.now()
    return Room(chat.new_id(), account_id, NEW_ROOM_NAME, None, instructions, now, now, naming=Naming.NONE)


def _check_settings(settings: ReplySettings) -> None:
    if settings.instructions is not None:
        check_text("instructions", settings.instructions, longest=INSTRUCTIONS_CHARACTERS)
    check_metadata(settings.metadata)
