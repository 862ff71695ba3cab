"""The end of a reply, and what follows every end: the announcement, and the room's next reply."""

from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.leases import DatabaseRetries
from parley.core.chat.model import Claim, Ending, Status
from parley.core.chat.outgoing import deliveries_of_end
from parley.core.text import is_readable


async def end_reply(chat: ChatPorts, claim: Claim, ending: Ending) -> bool:
    """End a claimed reply. False, with nothing changed, if the claim was overtaken or the reply was deleted.

    The first one in a room that its account has not named lets a model write its title.
    """
    deliveries = deliveries_of_end(chat, claim, ending)
    brings_title = claim.awaits_title and chat.titles.are_written and _is_answer(ending)
    single = not deliveries and not brings_title
    async with chat.uow(single=single) as unit:
        if brings_title:
            await unit.titles.request(claim)
        ended = await unit.replies.end(claim, ending)
        if ended and deliveries:
            await unit.outgoing_events.add(deliveries)
        if ended and not single:
            await unit.commit()
    if ended:
        await _announce(chat, claim, ending)
        if brings_title:
            await chat.title_queue.put(claim.room_id)
    return ended


def _is_answer(ending: Ending) -> bool:
    return ending.status is not Status.FAILED and is_readable(ending.content)


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
        if ending.usage is not None:
            await unit.quota.add_tokens(claim.account_id, day=claim.charged_on, spent=ending.counted)
        if ending.status is Status.FAILED:
            await unit.quota.give_back(claim.account_id, day=claim.charged_on)
        await unit.outgoing_events.add(deliveries_of_end(chat, claim, ending))
        await unit.commit()
    await _announce(chat, claim, ending)
    return True


async def _announce(chat: ChatPorts, claim: Claim, ending: Ending) -> None:
    """Only after the commit: a reader of the announcement must find the end in the database.

    The room's next reply is looked up here too: one that was accepted before the commit was refused to its worker.
    """
    chat.meter.ended(claim, ending)
    await chat.stream.end(claim.reply_id)

    async def next_in_room() -> UUID | None:
        async with chat.uow(read_only=True) as unit:
            return await unit.replies.next_in_room(claim.room_id)

    next_reply = await DatabaseRetries().repeat(next_in_room, within_seconds=chat.limits.lease)
    if next_reply is not None:
        await chat.queue.put(next_reply)
