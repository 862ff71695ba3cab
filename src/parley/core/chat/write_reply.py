"""A worker's part in the life of a reply: claim it, ask the model, keep the lease, and end it.

A claim is a lease with a number, the attempt. Every write names its attempt, so a worker that has lost its lease
changes nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.ask_model import observed_by, with_available_model
from parley.core.chat.conversation import GivenHistory, History, read_history
from parley.core.chat.deadlines import Deadlines
from parley.core.chat.draft import Draft
from parley.core.chat.end_reply import end_reply
from parley.core.chat.errors import ContextTooLong, ModelFailed, ModelUnavailable
from parley.core.chat.language_model import Finished, ModelEvent, Reasoning, SignOfLife, Text
from parley.core.chat.leases import DatabaseRetries, keep_lease
from parley.core.chat.model import Claim, Conversation, Ending, FinishReason, Lease, ReplyError, Status
from parley.core.chat.parts import Part, PartKind, text_of
from parley.core.chat.retries import Retry, after_failure
from parley.core.chat.spent_tokens import spent_on
from parley.core.chat.stored_draft import parts_for_readers, store_while_interrupted
from parley.core.chat.tokens import Spent, TokenUsage
from parley.core.errors import Unavailable
from parley.core.tasks import cancel_and_wait, finish
from parley.core.text import is_readable

# After so many lost workers the reply itself is assumed to be what kills them.
MAX_LOST_WORKERS = 20
# How long a worker that shuts down waits for the answer to a claim, so that it can release the reply.
CLAIM_GRACE_SECONDS = 1.0

# None: the lease was lost or the reply deleted, and it is no longer this worker's to end.
Outcome = Ending | Retry | None
AnyHistory = History | GivenHistory


async def write_reply(chat: ChatPorts, reply_id: UUID) -> None:
    """Claim the reply and write one attempt of it; do nothing if it cannot be claimed now.

    If cancelled, it releases the reply, so that another worker can claim it at once. A claimed reply is written
    through an outage of the database, however long. Raises Unavailable when the claim is not answered.
    """
    outcome = await _claim_and_write(chat, reply_id)
    if isinstance(outcome, Retry) and outcome.quick:
        await asyncio.sleep(outcome.seconds)
        await chat.queue.put(reply_id)


async def _claim_and_write(chat: ChatPorts, reply_id: UUID) -> Outcome:
    # Subscribed before the claim, so that no stop can be missed in between.
    async with chat.stop_signals.listen(reply_id) as stop_signal:
        claim = await _claim(chat, reply_id)
        if claim is None:
            return None
        chat.meter.claimed(claim)
        draft = Draft(stream=chat.stream, reply_id=reply_id, attempt=claim.attempt)
        return await _write_claimed(_Attempt(chat, claim, draft), stop_signal)


async def _claim(chat: ChatPorts, reply_id: UUID) -> Claim | None:
    """Claim the reply if it can be claimed now. If cancelled meanwhile, the claim is released as soon as it is made."""
    claiming = asyncio.ensure_future(_take_claim(chat, reply_id))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        await finish(_undo(chat, claiming))
        raise


async def _take_claim(chat: ChatPorts, reply_id: UUID) -> Claim | None:
    async with chat.uow(single=True) as unit:
        return await unit.replies.claim(reply_id, lease=chat.limits.lease)


async def _undo(chat: ChatPorts, claiming: asyncio.Future[Claim | None]) -> None:
    await asyncio.wait({claiming}, timeout=CLAIM_GRACE_SECONDS)
    claiming.cancel()
    await asyncio.wait({claiming})
    if not claiming.cancelled() and (claim := claiming.result()) is not None:
        await _release(chat, claim)


async def _history(attempt: "_Attempt") -> AnyHistory | None:
    """Read after the claim, from when on nothing before it in its room changes."""
    chat = attempt.chat

    async def read() -> AnyHistory | None:
        async with chat.uow(read_only=True) as unit:
            return await read_history(unit, attempt.claim, characters=attempt.context_characters)

    return await attempt.retries.repeat(read)


async def _write_claimed(attempt: "_Attempt", stop_signal: asyncio.Event) -> Outcome:
    try:
        history = await _history(attempt)
        outcome = None if history is None else await attempt.run(history, stop_signal)
    except asyncio.CancelledError:
        await finish(_release(attempt.chat, attempt.claim, attempt))
        raise
    except Unavailable:
        # A store that is away is no failure of the model.
        await finish(_release(attempt.chat, attempt.claim, attempt))
        raise
    except Exception:
        # A fault of ours counts as a failure of the attempt; the caller logs it.
        fault = ModelUnavailable("internal_error", "The reply could not be written.")
        await _conclude(attempt, await attempt.failed(fault))
        raise
    await _conclude(attempt, outcome)
    return outcome


@dataclass(slots=True)
class _Attempt:
    """One claimed attempt, which is written into `draft`.

    `claim.model` is the model that is asked in fact, `asked` what it was sent, and `usage` what its provider has
    counted by now.
    """

    chat: ChatPorts
    claim: Claim
    draft: Draft
    usage: TokenUsage | None = None
    asked: Conversation | None = None
    has_answered: bool = False
    retries: DatabaseRetries = field(default_factory=DatabaseRetries)

    @property
    def context_characters(self) -> int:
        plan = self.chat.plans.every.named(self.claim.plan)
        return plan.context_characters or self.chat.limits.context_characters

    async def spent(self, usage: TokenUsage | None = None) -> Spent:
        """What it has spent by now; a `usage` counts instead of the attempt's."""
        asked = self.asked if self.has_answered or self.draft.characters else None
        counted = usage or self.usage
        return await spent_on(self.chat, self.claim.model, counted, asked=asked, written=self.draft.parts)

    async def run(self, history: AnyHistory, stop_signal: asyncio.Event) -> Outcome:
        """How the attempt ended; None if its lease was lost, and the reply is no longer this worker's to end."""
        chat, claim = self.chat, self.claim
        # Failures of the models that were asked before a fallback are counted no more.
        earlier_failures = chat.limits.attempts * len(chat.catalogue.fallbacks)
        if claim.attempt - claim.failures - claim.releases > MAX_LOST_WORKERS + earlier_failures:
            error = ReplyError("worker_lost", "The workers that wrote this reply died too often.")
            return Ending(Status.FAILED, "", chat.now(), error=error)
        if claim.stop_requested:
            return await self._stopped(await self._parts_of_earlier_attempt())
        await self.draft.begin()
        asking = asyncio.create_task(self._ask(history))
        leasing = asyncio.create_task(keep_lease(chat, claim, stop_signal, self.retries))
        sending = asyncio.create_task(self.draft.send_delayed())
        storing = asyncio.create_task(store_while_interrupted(chat, claim, self.draft))
        try:
            await asyncio.wait({asking, leasing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(asking, leasing, sending, storing)
        if not asking.cancelled():
            return await self._outcome(asking)
        stopped = leasing.result() is Lease.STOP_REQUESTED
        return await self._stopped(self.draft.parts) if stopped else None

    async def _parts_of_earlier_attempt(self) -> tuple[Part, ...]:
        claim = self.claim
        async with self.chat.uow(read_only=True) as unit:
            message = await unit.messages.get(claim.reply_id, claim.room_id, claim.account_id)
        return () if message is None else await parts_for_readers(self.chat, message)

    async def _ask(self, history: AnyHistory) -> Finished:
        """Read the model's answer into the draft. Raises ModelFailed."""
        self.claim = with_available_model(self.chat, self.claim)
        limits = self.chat.limits
        with observed_by(self.chat.breakers.of(self.claim.model), self.claim.reply_id):
            async with Deadlines(first=limits.first_token, idle=limits.idle, total=limits.total) as deadlines:
                finished = await self._read_answer(history, deadlines)
        self.has_answered, self.usage = True, finished.usage or self.usage
        if not is_readable(text_of(self.draft.parts)):
            raise ModelUnavailable("empty_answer", "The model answered nothing that can be read.")
        return finished

    async def _read_answer(self, history: AnyHistory, deadlines: Deadlines) -> Finished:
        """Ask, again with half of the history while it is too long for the model, and read the answer to its end."""
        writer, model = self.chat.catalogue.writer(self.claim.model)
        while True:
            try:
                self.asked = history.conversation
                async with aclosing(writer.reply(model, self.asked)) as answer:
                    return await self._read_events(answer, deadlines)
            except ContextTooLong:
                shorter = None if self.draft.parts else history.newer_half()
                if shorter is None:
                    raise
                history = shorter

    async def _read_events(self, answer: AsyncGenerator[ModelEvent, None], deadlines: Deadlines) -> Finished:
        breaker = self.chat.breakers.of(self.claim.model)
        async for event in answer:
            deadlines.reset()
            match event:
                case Finished():
                    return event
                case SignOfLife(usage):
                    self.usage = usage or self.usage
                case Reasoning(text):
                    breaker.answering()
                    await self.draft.add(PartKind.REASONING, text)
                case Text(text):
                    breaker.answering()
                    if not self.draft.has_text:
                        self.chat.meter.first_text(self.claim, self.chat.now())
                    await self.draft.add(PartKind.TEXT, text)
            if self.draft.too_long:
                return Finished(self.usage, FinishReason.LENGTH)
        raise ModelUnavailable("model_interrupted", "The model's answer broke off.")

    async def _outcome(self, asking: asyncio.Task[Finished]) -> Ending | Retry:
        try:
            finished = asking.result()
        except ModelFailed as failure:
            return await self.failed(failure)
        return await self._ended(Status.COMPLETED, self.draft.parts, finished.reason)

    async def _stopped(self, parts: tuple[Part, ...]) -> Ending:
        return await self._ended(Status.STOPPED, parts)

    async def _ended(self, status: Status, parts: tuple[Part, ...], reason: FinishReason | None = None) -> Ending:
        now, spent = self.chat.now(), await self.spent()
        return Ending(status, text_of(parts), now, self.usage, parts=parts, finish_reason=reason, spent=spent)

    async def failed(self, failure: ModelFailed) -> Ending | Retry:
        self.chat.meter.attempt_failed(self.claim, failure.code)
        usage = failure.usage or self.usage
        spent = await self.spent(usage)
        return after_failure(self.chat, self.claim, self.draft.parts, failure, usage=usage, spent=spent)


async def _conclude(attempt: _Attempt, outcome: Ending | Retry | None) -> None:
    """Write the outcome, once the database answers."""
    chat, claim = attempt.chat, attempt.claim

    async def write() -> None:
        written = False
        match outcome:
            case Ending():
                written = await end_reply(chat, claim, outcome)
            case Retry():
                written = await _postpone(chat, claim, outcome)
        if not written:
            await _close_stream_of_ended(chat, claim)
            if attempt.retries.interrupted:
                await _excuse(chat, claim)

    await attempt.retries.repeat(write)


async def _excuse(chat: ChatPorts, claim: Claim) -> None:
    async with chat.uow(single=True) as unit:
        await unit.replies.excuse(claim)


async def _postpone(chat: ChatPorts, claim: Claim, retry: Retry) -> bool:
    async with chat.uow(single=True) as unit:
        postponed = await unit.replies.postpone(
            claim, seconds=retry.seconds, fallback=retry.fallback, spent=retry.spent
        )
    if postponed and retry.fallback is not None:
        chat.meter.fell_back(claim.model, retry.fallback)
    return postponed


async def _close_stream_of_ended(chat: ChatPorts, claim: Claim) -> None:
    """End the stream if the reply was deleted or has ended, perhaps by a commit here whose confirmation was lost.

    If another worker claimed it, that worker will end its stream.
    """
    async with chat.uow(read_only=True) as unit:
        message = await unit.messages.get(claim.reply_id, claim.room_id, claim.account_id)
    if message is None or message.status.ended:
        await chat.stream.end(claim.reply_id)


async def _release(chat: ChatPorts, claim: Claim, attempt: _Attempt | None = None) -> None:
    spent = None if attempt is None else await attempt.spent()
    async with chat.uow(single=True) as unit:
        released = await unit.replies.release(claim, spent=spent)
    if released:
        await chat.queue.put(claim.reply_id)
