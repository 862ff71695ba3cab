"""Stopping a reply at its reader's request."""

from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.end_reply import end_unclaimed_reply
from parley.core.chat.errors import MessageNotFound, NotAReply
from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.history import read_message
from parley.core.chat.model import Ending, Message, Role, Status
from parley.core.chat.parts import text_of
from parley.core.chat.stored_draft import parts_for_readers
from parley.core.errors import TooManyRequests

# How long a worker has to react to a stop signal before the request is answered without it.
PATIENCE_SECONDS = 2.0


async def stop_reply(chat: ChatPorts, *, account_id: UUID, room_id: UUID, reply_id: UUID) -> Message:
    """Stop the reply and return it with the text that its readers have; an ended one stays as it is.

    A reply that a worker holds is returned as it is after PATIENCE_SECONDS if it has not ended by then, and at once if
    the account has too many readers; the worker ends it when it next renews its lease. One that no worker holds is
    ended here. Raises MessageNotFound, NotAReply.
    """
    message = await read_message(chat, account_id=account_id, room_id=room_id, message_id=reply_id)
    if message.role is not Role.ASSISTANT:
        raise NotAReply
    if message.status.ended:
        return message
    parts = await parts_for_readers(chat, message)
    ending = Ending(Status.STOPPED, text_of(parts), chat.now(), parts=parts)
    if not await end_unclaimed_reply(chat, reply_id, ending):
        await chat.stop_signals.send(reply_id)
    try:
        stopped = await wait_for_end(
            chat, account_id=account_id, room_id=room_id, reply_id=reply_id, seconds=PATIENCE_SECONDS
        )
    except TooManyRequests:
        # It is being stopped; what there are too many of is readers.
        return await read_message(chat, account_id=account_id, room_id=room_id, message_id=reply_id)
    if stopped is None:
        raise MessageNotFound
    return stopped
