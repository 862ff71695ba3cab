"""The end of a reply, and what every end includes: tokens, returned quota, and the room's next reply."""

from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.model import Claim, Ending, Status, TokenUsage
from parley.core.chat.stores import ChatUnit


async def end_reply(chat: ChatPorts, claim: Claim, ending: Ending) -> bool:
    """End a claimed reply. False, with nothing changed, if the claim was overtaken or the reply was deleted."""
    async with chat.uow() as unit:
        if not await unit.replies.end(claim, ending):
            return False
        next_reply = await _account_for(unit, claim, ending)
        await unit.commit()
    await _announce(chat, claim, ending, next_reply)
    return True


async def end_unclaimed_reply(chat: ChatPorts, reply_id: UUID, ending: Ending) -> bool:
    """End a reply on which no worker holds a lease.

    False if a worker holds it, which then finds a stop requested, or if it has ended.
    """
    async with chat.uow() as unit:
        claim = await unit.replies.end_unheld(reply_id, ending)
        if claim is None:
            await unit.replies.request_stop(reply_id)
            await unit.commit()
            return False
        next_reply = await _account_for(unit, claim, ending)
        await unit.commit()
    await _announce(chat, claim, ending, next_reply)
    return True


async def add_tokens(unit: ChatUnit, claim: Claim, usage: TokenUsage | None) -> None:
    """Count the tokens that an attempt cost on the day whose quota paid, whatever became of the attempt."""
    if usage is not None:
        await unit.quota.add_tokens(claim.account_id, day=claim.charged_on, usage=usage)


async def _account_for(unit: ChatUnit, claim: Claim, ending: Ending) -> UUID | None:
    """Count the tokens, return the quota of a failed reply, and find the room's next reply."""
    await add_tokens(unit, claim, ending.usage)
    if ending.status is Status.FAILED:
        await unit.quota.give_back(claim.account_id, day=claim.charged_on)
    return await unit.replies.next_in_room(claim.room_id)


async def _announce(chat: ChatPorts, claim: Claim, ending: Ending, next_reply: UUID | None) -> None:
    """Only after the commit: a reader of the announcement must find the end in the database."""
    chat.meter.ended(claim, ending)
    await chat.stream.end(claim.reply_id)
    if next_reply is not None:
        await chat.queue.put(next_reply)
