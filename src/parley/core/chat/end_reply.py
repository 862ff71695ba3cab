"""What every end of a reply brings with it, whoever ended it."""

from uuid import UUID

from parley.core.chat.model import Claim, Ending, Status
from parley.core.chat.ports import ReplyMeter, ReplyQueue, ReplyStream
from parley.core.chat.stores import ChatUnit


async def record_end(unit: ChatUnit, claim: Claim, ending: Ending) -> UUID | None:
    """In the transaction of the end: count the tokens, return the quota of a failure, find the room's next reply."""
    if ending.usage is not None:
        await unit.quota.add_tokens(claim.account_id, day=claim.charged_on, usage=ending.usage)
    if ending.status is Status.FAILED:
        await unit.quota.give_back(claim.account_id, day=claim.charged_on)
    return await unit.replies.next_in_room(claim.room_id)


async def announce_end(
    claim: Claim, ending: Ending, following: UUID | None, *, stream: ReplyStream, queue: ReplyQueue, meter: ReplyMeter
) -> None:
    """After its commit: tell the operators, the readers, and the worker of the next reply."""
    meter.ended(claim, ending)
    await stream.end(claim.reply_id)
    if following is not None:
        await queue.put(following)
