"""A worker's part in the life of a reply: claim it, ask the model, keep the lease, and end it.

A claim is a lease with a number, the attempt. Every write names its attempt, so a worker that has lost its lease
changes nothing.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.conversation import read_conversation
from parley.core.chat.deadlines import Deadlines
from parley.core.chat.draft import Draft
from parley.core.chat.end_reply import end_reply
from parley.core.chat.errors import ModelFailed, ModelUnavailable
from parley.core.chat.language_model import Finished, Text
from parley.core.chat.leases import keep_lease, repeat_while_unavailable
from parley.core.chat.model import Claim, Conversation, Ending, Lease, ReplyError, Status
from parley.core.chat.retries import Retry, after_failure
from parley.core.tasks import cancel_and_wait, finish

# After so many lost workers the reply itself is assumed to be what kills them.
MAX_LOST_WORKERS = 20
# How long a worker that shuts down waits for the answer to a claim, so that it can release the reply.
CLAIM_GRACE_SECONDS = 1.0


async def write_reply(chat: ChatPorts, reply_id: UUID) -> None:
    """Claim the reply and write one attempt of it; do nothing if it cannot be claimed now.

    If cancelled, it releases the reply, so that another worker can claim it at once. Raises Unavailable when the
    database does not answer for the length of a lease; the sweeper then finds the reply.
    """
    # Subscribed before the claim, so that no stop can be missed in between.
    async with chat.stop_signals.listen(reply_id) as stop_signal:
        claim = await _claim(chat, reply_id)
        if claim is None:
            return
        chat.meter.claimed(claim)
        draft = Draft(stream=chat.stream, reply_id=reply_id, attempt=claim.attempt)
        await _write_claimed(_Attempt(chat, claim, draft), stop_signal)


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


async def _conversation(chat: ChatPorts, claim: Claim) -> Conversation:
    """Read after the claim, from when on nothing before it in its room changes."""

    async def read() -> Conversation:
        async with chat.uow(read_only=True) as unit:
            return await read_conversation(unit, claim, characters=chat.limits.context_characters)

    return await repeat_while_unavailable(read, seconds=chat.limits.lease)


async def _write_claimed(attempt: "_Attempt", stop_signal: asyncio.Event) -> None:
    try:
        conversation = await _conversation(attempt.chat, attempt.claim)
        outcome = await attempt.run(conversation, stop_signal)
    except asyncio.CancelledError:
        await finish(_release(attempt.chat, attempt.claim))
        raise
    except Exception:
        # A fault of ours counts as a failure of the attempt; the caller logs it.
        fault = ModelUnavailable("internal_error", "The reply could not be written.")
        await finish(_conclude(attempt.chat, attempt.claim, attempt.failed(fault)))
        raise
    await finish(_conclude(attempt.chat, attempt.claim, outcome))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One claimed attempt, whose text is `draft`."""

    chat: ChatPorts
    claim: Claim
    draft: Draft

    async def run(self, conversation: Conversation, stop_signal: asyncio.Event) -> Ending | Retry | None:
        """How the attempt ended; None if its lease was lost, and the reply is no longer this worker's to end."""
        chat, claim = self.chat, self.claim
        if claim.attempt - claim.failures - claim.releases > MAX_LOST_WORKERS:
            error = ReplyError("worker_lost", "The workers that wrote this reply died too often.")
            return Ending(Status.FAILED, "", chat.now(), error=error)
        if claim.stop_requested:
            return Ending(Status.STOPPED, await chat.stream.text_so_far(claim.reply_id), chat.now())
        await self.draft.begin()
        asking = asyncio.create_task(self._ask(conversation))
        leasing = asyncio.create_task(keep_lease(chat, claim, stop_signal))
        sending = asyncio.create_task(self.draft.send_delayed())
        try:
            await asyncio.wait({asking, leasing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(asking, leasing, sending)
        if not asking.cancelled():
            return self._outcome(asking)
        stopped = leasing.result() is Lease.STOP_REQUESTED
        return Ending(Status.STOPPED, self.draft.text, chat.now()) if stopped else None

    async def _ask(self, conversation: Conversation) -> Finished:
        """Read the model's answer into the draft. Raises ModelFailed."""
        writer, model = self.chat.catalogue.writer(self.claim.model)
        limits = self.chat.limits
        async with (
            aclosing(writer.reply(model, conversation)) as answer,
            Deadlines(first=limits.first_token, idle=limits.idle, total=limits.total) as deadlines,
        ):
            async for event in answer:
                deadlines.reset()
                if isinstance(event, Finished):
                    return event
                if isinstance(event, Text):
                    if not self.draft.text:
                        self.chat.meter.first_text(self.claim, self.chat.now())
                    await self.draft.add(event.text)
        raise ModelUnavailable("model_interrupted", "The model's answer broke off.")

    def _outcome(self, asking: asyncio.Task[Finished]) -> Ending | Retry:
        try:
            finished = asking.result()
        except ModelFailed as failure:
            return self.failed(failure)
        return Ending(Status.COMPLETED, self.draft.text, self.chat.now(), usage=finished.usage)

    def failed(self, failure: ModelFailed) -> Ending | Retry:
        self.chat.meter.attempt_failed(self.claim, failure.code)
        return after_failure(self.chat, self.claim, self.draft.text, failure)


async def _conclude(chat: ChatPorts, claim: Claim, outcome: Ending | Retry | None) -> None:
    """Write the outcome. Raises Unavailable when the database has not answered for the length of a lease."""

    async def write() -> None:
        written = False
        match outcome:
            case Ending():
                written = await end_reply(chat, claim, outcome)
            case Retry(seconds):
                written = await _postpone(chat, claim, seconds)
        if not written:
            await _close_stream_of_deleted(chat, claim)

    await repeat_while_unavailable(write, seconds=chat.limits.lease)


async def _postpone(chat: ChatPorts, claim: Claim, seconds: float) -> bool:
    async with chat.uow(single=True) as unit:
        return await unit.replies.postpone(claim, seconds=seconds)


async def _close_stream_of_deleted(chat: ChatPorts, claim: Claim) -> None:
    """Tell readers if the reply was deleted. If another worker claimed it, that worker will end its stream."""
    async with chat.uow(read_only=True) as unit:
        deleted = await unit.messages.get(claim.reply_id, claim.room_id, claim.account_id) is None
    if deleted:
        await chat.stream.end(claim.reply_id)


async def _release(chat: ChatPorts, claim: Claim) -> None:
    async with chat.uow(single=True) as unit:
        released = await unit.replies.release(claim)
    if released:
        await chat.queue.put(claim.reply_id)
