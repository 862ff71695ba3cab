"""What an account thinks of a reply."""

from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import MessageNotFound, NotAReply
from parley.core.chat.model import Message, Role
from parley.core.chat.rating import Feedback
from parley.core.text import check_text

COMMENT_CHARACTERS = 2_000


async def give_feedback(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID, feedback: Feedback
) -> Message:
    """Put the feedback in place of an earlier one, and return the reply with it.

    It is counted for operators unless the rating is the same as before.

    Raises InvalidInput, MessageNotFound, NotAReply.
    """
    if feedback.comment is not None:
        check_text("comment", feedback.comment, longest=COMMENT_CHARACTERS)
    reply = await _write(chat, account_id, room_id, message_id, feedback)
    if reply.model is not None and (reply.feedback is None or reply.feedback.rating is not feedback.rating):
        chat.meter.rated(reply.model, feedback.rating)
    return replace(reply, feedback=feedback)


async def take_feedback_back(chat: ChatPorts, *, account_id: UUID, room_id: UUID, message_id: UUID) -> None:
    """Remove the feedback, if there is any. Raises MessageNotFound, NotAReply."""
    await _write(chat, account_id, room_id, message_id, None)


async def _write(
    chat: ChatPorts, account_id: UUID, room_id: UUID, message_id: UUID, feedback: Feedback | None
) -> Message:
    """Returns the reply as it was before."""
    async with chat.uow() as unit:
        reply = await unit.messages.get(message_id, room_id, account_id)
        if reply is None:
            raise MessageNotFound
        if reply.role is not Role.ASSISTANT:
            raise NotAReply
        if not await unit.messages.rate(message_id, room_id, account_id, feedback):
            raise MessageNotFound
        await unit.commit()
    return reply
