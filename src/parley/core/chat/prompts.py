"""Replies to prompts: conversations that a client gives whole, each for one reply that is forgotten after its end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.allowance import Allowance
from parley.core.chat.days import utc_day
from parley.core.chat.end_reply import end_unclaimed_reply
from parley.core.chat.errors import PromptTooLong, QuotaExceeded, TooManyPending
from parley.core.chat.follow_reply import follow_reply, wait_for_end
from parley.core.chat.model import Charge, Conversation, Ending, Message, Role, Status
from parley.core.chat.outgoing import report_quota_exceeded
from parley.core.chat.reply_events import ReplyEvent
from parley.core.chat.reservation import reserve_tokens
from parley.core.chat.stores import ChatUnit
from parley.core.errors import InvalidInput, TooManyRequests, Unavailable
from parley.core.plans import Plan
from parley.core.tasks import finish
from parley.core.text import is_readable, storable

# How long after its end a reply is forgotten whose client's process died. A slow client needs it until then.
FORGET_SECONDS = 600.0
FORGET_BATCH = 500
# How long a worker has to react to the stop of a reply whose client has left.
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AcceptedPrompt:
    """A pending reply to a prompt, and the quota as it is now."""

    reply: Message
    allowance: Allowance


async def answer_prompt(
    chat: ChatPorts,
    *,
    account_id: UUID,
    prompt: Conversation,
    model: str | None,
    keep_alive_seconds: float,
    may_read: Callable[[], Awaitable[bool]],
    metered: bool = True,
) -> AsyncGenerator[AcceptedPrompt | ReplyEvent, None]:
    """Accept a prompt for one reply; yields that it is accepted, and then what `follow_reply` yields of the reply.

    When this generator ends, is closed or cancelled, the prompt and its reply are forgotten; a reply that has not ended
    is stopped first. What cannot be forgotten then is forgotten by the sweep.

    What is not `metered` uses up no quota and is not counted, but is one of the account's unfinished replies.

    Raises InvalidInput, PromptTooLong, UnknownModel, ModelNotInPlan, QuotaExceeded, TooManyPending, TooManyRequests and
    AccountGone before the first event; after any of them nothing has changed.
    """
    _check(prompt)
    taken = await chat.readers.take(account_id)
    accepting = asyncio.ensure_future(_accept(chat, prompt, account_id=account_id, model=model, metered=metered))
    try:
        # Forgetting needs a reader too, so that this one is closed before.
        with taken:
            accepted = await asyncio.shield(accepting)
            yield accepted
            reply = accepted.reply
            following = follow_reply(
                chat,
                account_id=account_id,
                room_id=reply.room_id,
                reply_id=reply.id,
                after=None,
                keep_alive_seconds=keep_alive_seconds,
                may_read=may_read,
                reading=chat.readers.reading(reply.id, account_id=account_id, taken=taken),
            )
            async with aclosing(following) as events:
                async for event in events:
                    yield event
    finally:
        await finish(_forget_accepted(chat, account_id, accepting))


async def forget_old_prompts(chat: ChatPorts) -> int:
    """Forget replies to prompts that ended FORGET_SECONDS ago, as their client's process died; returns how many."""
    async with chat.uow(single=True) as unit:
        return await unit.prompts.forget_ended(seconds=FORGET_SECONDS, limit=FORGET_BATCH)


async def _accept(
    chat: ChatPorts, prompt: Conversation, *, account_id: UUID, model: str | None, metered: bool
) -> AcceptedPrompt:
    now = chat.now()
    reply = Message(chat.new_id(), chat.new_id(), Role.ASSISTANT, "", Status.PENDING, now, position=1, model=model)
    try:
        accepted = await _store(chat, prompt, reply, account_id, metered=metered)
    except QuotaExceeded as refusal:
        await report_quota_exceeded(chat, account_id, policy=refusal.policy, limit=refusal.limit, at=now)
        raise
    await chat.queue.put(reply.id)
    return accepted


async def _store(
    chat: ChatPorts, prompt: Conversation, reply: Message, account_id: UUID, *, metered: bool
) -> AcceptedPrompt:
    now = reply.created_at
    async with chat.uow() as unit:
        # Before the quota, since an erasure of the account has no room here to wait for.
        await unit.rooms.lock_account(account_id)
        plan, allowance, charge = await _charge(chat, unit, prompt, account_id, now, metered=metered)
        _check_length(prompt, longest=plan.context_characters or chat.limits.context_characters)
        reply = replace(reply, model=chat.catalogue.choose(reply.model, None, plan))
        most_pending = plan.max_pending_replies or chat.limits.max_pending
        if not await unit.prompts.add(prompt, reply, account_id=account_id, charge=charge, most_pending=most_pending):
            raise TooManyPending(most_pending, allowance if charge is None else allowance.with_one_back)
        await unit.commit()
    return AcceptedPrompt(reply, allowance)


async def _charge(
    chat: ChatPorts, unit: ChatUnit, prompt: Conversation, account_id: UUID, now: datetime, *, metered: bool
) -> tuple[Plan, Allowance, Charge | None]:
    """Take from the quota what the prompt may need. Raises QuotaExceeded."""
    if not metered:
        return await unit.quota.plan(account_id, now=now), await unit.quota.look(account_id, now=now), None

    async def read() -> int:
        return chat.estimates.of(*_texts(prompt))

    plan, allowance = await unit.quota.take(account_id, now=now)
    allowance, tokens = await reserve_tokens(chat, unit, plan, allowance, account_id=account_id, now=now, read=read)
    return plan, allowance, Charge(utc_day(now), tokens, plan.name)


async def _forget_accepted(chat: ChatPorts, account_id: UUID, accepting: asyncio.Future[AcceptedPrompt]) -> None:
    await asyncio.wait({accepting})
    if accepting.cancelled() or accepting.exception() is not None:
        return
    try:
        await _forget(chat, account_id, accepting.result().reply)
    except Unavailable:
        # The sweep forgets it.
        return


async def _forget(chat: ChatPorts, account_id: UUID, reply: Message) -> None:
    if await _forget_ended(chat, reply):
        return
    if not await end_unclaimed_reply(chat, reply.id, Ending(Status.STOPPED, "", chat.now())):
        await chat.stop_signals.send(reply.id)
        try:
            await wait_for_end(
                chat, account_id=account_id, room_id=reply.room_id, reply_id=reply.id, seconds=PATIENCE_SECONDS
            )
        except TooManyRequests:
            # It is being stopped; what there are too many of is readers.
            return
    await _forget_ended(chat, reply)


async def _forget_ended(chat: ChatPorts, reply: Message) -> bool:
    async with chat.uow(single=True) as unit:
        return await unit.prompts.forget(reply.room_id)


def _texts(prompt: Conversation) -> list[str]:
    return [prompt.instructions or "", *(turn.content for turn in prompt.turns)]


def _check(prompt: Conversation) -> None:
    texts = _texts(prompt)
    if not all(map(storable, texts)):
        raise InvalidInput("messages", "must not hold NUL characters or unpaired surrogates")
    if not any(map(is_readable, texts)):
        raise InvalidInput("messages", "must have a letter, number, punctuation mark or symbol")


def _check_length(prompt: Conversation, *, longest: int) -> None:
    if sum(map(len, _texts(prompt))) > longest:
        raise PromptTooLong(longest)
