"""Ending a reply because its reader has seen enough."""

from uuid import UUID

from parley.core.chat.end_reply import announce_end, record_end
from parley.core.chat.errors import MessageNotFound, NotAReply
from parley.core.chat.follow_reply import wait_for_end
from parley.core.chat.messages import read_message
from parley.core.chat.model import Ending, Message, Role, Status
from parley.core.chat.ports import ReplyMeter, ReplyQueue, ReplyStream, StopSignals
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.ports import Clock

PATIENCE_SECONDS = 2.0


async def stop_reply(
    *,
    uow: ChatUnitOfWork,
    stream: ReplyStream,
    queue: ReplyQueue,
    signals: StopSignals,
    meter: ReplyMeter,
    account_id: UUID,
    room_id: UUID,
    reply_id: UUID,
    now: Clock,
) -> Message:
    """Stop the reply where it is and return it; one that has ended stays as it is.

    A worker that holds it is told and gets PATIENCE_SECONDS to end it: after that the reply is returned as it is then,
    flagged, and ends with the worker's next look. A reply that nobody holds ends here.
    Raises MessageNotFound, NotAReply.
    """
    message = await read_message(uow=uow, account_id=account_id, room_id=room_id, message_id=reply_id)
    if message.role is not Role.ASSISTANT:
        raise NotAReply
    if message.status.ended:
        return message
    if not await _end_unheld(uow, stream, queue, meter, reply_id, now):
        await signals.send(reply_id)
    stopped = await wait_for_end(
        uow=uow, stream=stream, account_id=account_id, room_id=room_id, reply_id=reply_id, seconds=PATIENCE_SECONDS
    )
    if stopped is None:
        raise MessageNotFound
    return stopped


async def _end_unheld(
    uow: ChatUnitOfWork, stream: ReplyStream, queue: ReplyQueue, meter: ReplyMeter, reply_id: UUID, now: Clock
) -> bool:
    """End the reply with the text that readers have seen, unless a worker holds it: then flag it."""
    text = await stream.text_so_far(reply_id)
    ending = Ending(Status.STOPPED, text, now())
    async with uow() as unit:
        claim = await unit.replies.end_unheld(reply_id, ending)
        if claim is None:
            await unit.replies.request_stop(reply_id)
            await unit.commit()
            return False
        following = await record_end(unit, claim, ending)
        await unit.commit()
    await announce_end(claim, ending, following, stream=stream, queue=queue, meter=meter)
    return True
