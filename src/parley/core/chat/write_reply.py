"""A worker's part in the life of a reply: claim it, write it, end it.

The database is the truth. A claim is a lease with a number, the attempt; whatever this process does after it lost the
lease changes nothing, since every write names the attempt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.conversation import read_conversation
from parley.core.chat.deadlines import Deadlines
from parley.core.chat.draft import Draft
from parley.core.chat.end_reply import announce_end, record_end
from parley.core.chat.errors import ModelFailed, ModelUnavailable
from parley.core.chat.language_model import Finished, Text
from parley.core.chat.limits import ReplyLimits
from parley.core.chat.model import Claim, Conversation, Ending, Lease, ReplyError, Status
from parley.core.chat.ports import ReplyMeter, ReplyQueue, ReplyStream, StopSignals
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.errors import Unavailable
from parley.core.ports import Clock, Jitter

Result = TypeVar("Result")

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
# A reply whose workers die this often is what kills them.
MOST_LOST_WORKERS = 20
DATABASE_RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed in a way that another may not; `seconds` until then."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ReplyWriter:
    """Everything that writing replies needs. Call `write` with the id that came off the queue."""

    uow: ChatUnitOfWork
    stream: ReplyStream
    queue: ReplyQueue
    signals: StopSignals
    meter: ReplyMeter
    catalogue: ModelCatalogue
    limits: ReplyLimits
    now: Clock
    jitter: Jitter

    async def write(self, reply_id: UUID) -> None:
        """Write the reply if it is this worker's turn to; otherwise do nothing.

        Cancelled, it hands the reply back for another worker to take at once.
        """
        # Listening begins before the claim, so that no stop can fall between the two.
        async with self.signals.listen(reply_id) as nudged:
            async with self.uow() as unit:
                claim = await unit.replies.claim(reply_id, lease=self.limits.lease)
                if claim is None:
                    return
                conversation = await read_conversation(unit, claim, characters=self.limits.context_characters)
                await unit.commit()
            await self._write_claimed(claim, conversation, nudged)

    async def _write_claimed(self, claim: Claim, conversation: Conversation, nudged: asyncio.Event) -> None:
        self.meter.claimed(claim)
        draft = Draft(stream=self.stream, reply_id=claim.reply_id, attempt=claim.attempt)
        try:
            outcome = await self._attempt(claim, conversation, draft, nudged)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(claim))
            raise
        except Exception:
            # Nobody foresaw this: it counts as a failure of the attempt, and the worker's log gets it.
            unforeseen = ModelUnavailable("internal_error", "The reply could not be written.")
            await self._conclude(claim, self._failure(claim, draft.text, unforeseen))
            raise
        await _to_its_end(self._conclude(claim, outcome))

    async def _conclude(self, claim: Claim, outcome: Ending | Retry | None) -> None:
        match outcome:
            case Ending():
                await self._insist(lambda: self._end(claim, outcome))
            case Retry(seconds):
                await self._insist(lambda: self._postpone(claim, seconds))
            case None:
                await self._tidy_after_loss(claim)

    async def _attempt(
        self, claim: Claim, conversation: Conversation, draft: Draft, nudged: asyncio.Event
    ) -> Ending | Retry | None:
        """How the attempt ended; None when the lease was lost, and with it the right to say anything."""
        if claim.attempt - claim.failures > MOST_LOST_WORKERS:
            error = ReplyError("worker_lost", "The workers that wrote this reply died too often.")
            return Ending(Status.FAILED, "", self.now(), error=error)
        if claim.stop_requested:
            return Ending(Status.STOPPED, await self.stream.text_so_far(claim.reply_id), self.now())
        await draft.begin()
        writing = asyncio.create_task(self._write(claim, conversation, draft))
        watching = asyncio.create_task(self._watch(claim, nudged))
        sending = asyncio.create_task(draft.send_what_is_held())
        try:
            await asyncio.wait({writing, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(writing, watching, sending)
        if not writing.cancelled():
            return self._outcome(claim, draft, writing)
        if watching.result() is Lease.STOP_REQUESTED:
            return Ending(Status.STOPPED, draft.text, self.now())
        return None

    async def _write(self, claim: Claim, conversation: Conversation, draft: Draft) -> Finished:
        writer, model = self.catalogue.writer(claim.model)
        limits = self.limits
        async with (
            aclosing(writer.reply(model, conversation)) as pieces,
            Deadlines(first=limits.first_token, idle=limits.idle, total=limits.total) as deadlines,
        ):
            async for piece in pieces:
                deadlines.met()
                if isinstance(piece, Finished):
                    return piece
                if isinstance(piece, Text):
                    if not draft.text:
                        self.meter.first_text(claim, self.now())
                    await draft.add(piece.text)
        raise ModelUnavailable("model_interrupted", "The model's answer broke off.")

    async def _watch(self, claim: Claim, nudged: asyncio.Event) -> Lease:
        """Renew the lease every third of it, and when nudged; return when it is lost or somebody asked to stop."""
        lease = Lease.HELD
        while lease is Lease.HELD:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limits.lease / 3):
                    await nudged.wait()
            nudged.clear()
            lease = await _to_its_end(self._insist(lambda: self._renew(claim)))
        return lease

    async def _renew(self, claim: Claim) -> Lease:
        async with self.uow() as unit:
            lease = await unit.replies.renew(claim, lease=self.limits.lease)
            await unit.commit()
        return lease

    async def _insist(self, write: Callable[[], Awaitable[Result]]) -> Result:
        """Write, again and again for the length of a lease while the database does not answer.

        A write that was done though its answer was lost, or that comes after the lease, is harmless: it is fenced.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + self.limits.lease
        while True:
            try:
                return await write()
            except Unavailable:
                if clock() >= end:
                    raise
                await asyncio.sleep(DATABASE_RETRY_SECONDS)

    def _outcome(self, claim: Claim, draft: Draft, writing: asyncio.Task[Finished]) -> Ending | Retry:
        try:
            finished = writing.result()
        except ModelFailed as failure:
            return self._failure(claim, draft.text, failure)
        return Ending(Status.COMPLETED, draft.text, self.now(), usage=finished.usage)

    def _failure(self, claim: Claim, text: str, failure: ModelFailed) -> Ending | Retry:
        self.meter.attempt_failed(claim, failure.code)
        if isinstance(failure, ModelUnavailable) and claim.failures + 1 < self.limits.attempts:
            delay = self._delay(claim, failure)
            if delay <= self.limits.total:
                return Retry(delay)
        return Ending(Status.FAILED, text, self.now(), error=ReplyError(failure.code, failure.detail))

    def _delay(self, claim: Claim, failure: ModelUnavailable) -> float:
        """What the vendor asked for, or longer each time, spread so that many replies do not return at once."""
        grown = min(FIRST_RETRY_SECONDS * 2.0**claim.failures, LONGEST_RETRY_SECONDS) * (0.5 + self.jitter() / 2)
        return grown if failure.retry_after is None else failure.retry_after

    async def _end(self, claim: Claim, ending: Ending) -> None:
        async with self.uow() as unit:
            ended = await unit.replies.end(claim, ending)
            following = await record_end(unit, claim, ending) if ended else None
            await unit.commit()
        if not ended:
            await self._tidy_after_loss(claim)
            return
        await announce_end(claim, ending, following, stream=self.stream, queue=self.queue, meter=self.meter)

    async def _postpone(self, claim: Claim, seconds: float) -> None:
        async with self.uow() as unit:
            postpone = await unit.replies.postpone(claim, seconds=seconds)
            await unit.commit()
        if not postpone:
            await self._tidy_after_loss(claim)

    async def _tidy_after_loss(self, claim: Claim) -> None:
        """End the stream of a reply that was deleted. One that another worker has taken over is that one's to end."""
        async with self.uow(read_only=True) as unit:
            deleted = await unit.messages.get(claim.reply_id, claim.room_id, claim.account_id) is None
        if deleted:
            await self.stream.end(claim.reply_id)

    async def _release(self, claim: Claim) -> None:
        async with self.uow() as unit:
            handed_back = await unit.replies.release(claim)
            await unit.commit()
        if handed_back:
            await self.queue.put(claim.reply_id)


async def _to_its_end(step: Coroutine[object, object, Result]) -> Result:
    """Await `step`, also when cancelled: a database call that is cut off costs its connection."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    """Cancel and wait until all have ended. What they raised stays with them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
