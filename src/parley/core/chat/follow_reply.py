"""Reading a reply while it is written, from any position to its end.

A position is an attempt and a number of characters of all parts. Of a chunk that overlaps the position only what is
new is sent, a chunk that leaves a gap is skipped, and what is missing at the end comes from the database. Hence readers
see no gap and no repetition, whatever the stream lost or sent twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import NotAReply
from parley.core.chat.history import read_message
from parley.core.chat.model import Chunk, EventId, Message, Role, split_into_chunks
from parley.core.chat.ports import StreamEnd, StreamSubscription
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot, end_of
from parley.core.errors import Unavailable

BEGINNING = EventId(0, 0)
# How often the database is asked for an awaited end, as its announcement may be lost.
POLL_SECONDS = 1.0
# How often a reader's permission is checked. A process learns of an ended session or a suspended account within 0.3 s
# as a rule, so a stream does not outlive it by a second.
PERMISSION_SECONDS = 0.5
MICROSECOND = 1e-6


async def follow_reply(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    reply_id: UUID,
    after: EventId | None,
    keep_alive_seconds: float,
    may_read: Callable[[], Awaitable[bool]],
    reading: AbstractAsyncContextManager[None] | None = None,
) -> AsyncGenerator[ReplyEvent, None]:
    """A Snapshot, then every event behind `after`, ending with ReplyEnded.

    ReplyEnded is missing if the room was deleted, the stream is closed, or `may_read`, asked every PERMISSION_SECONDS,
    returns False. After `keep_alive_seconds` without an event there is a KeepAlive, and the database is read again;
    while the stream is interrupted, it is read every POLL_SECONDS and its draft is sent. No unit of work is open
    between events. A reader that is counted otherwise gives its `reading`, which ends before the last events. Raises
    MessageNotFound, NotAReply or TooManyRequests before the first event.
    """
    reading = reading or chat.readers.reading(reply_id, account_id=account_id)
    async with reading, chat.stream.follow(reply_id) as chunks:
        # Read after subscribing, so that no end can be missed in between.
        found = await _read_reply(chat, account_id, room_id, reply_id)
        yield Snapshot(found)
        message: Message | None = found
        position = _start_position(after, found)
        # A draft is sent at once, as the stream may have lost it.
        silence, unread = Timer(keep_alive_seconds), Timer(0.0 if found.parts else keep_alive_seconds)
        arrivals = _Arrivals(chat, chunks, (silence, unread), may_read)
        while message is not None and not message.status.ended:
            received = await arrivals.take()
            if received is StreamEnd.CLOSED:
                return
            if events := list(_new_events(received, position)):
                unread.start()
            if unread.left <= 0 or received is StreamEnd.ENDED:
                message, answered = await _read_or_keep(chat, account_id, message)
                events = list(_stored_events(message, position))
                # While the database does not answer, an announced end is looked for again soon.
                unanswered = POLL_SECONDS if received is StreamEnd.ENDED else None
                unread.start(keep_alive_seconds if answered else unanswered)
            for event in events:
                position = event.id
                yield event
                silence.start()
            if silence.left <= 0:
                yield KeepAlive()
                silence.start()
    for last_event in _last_events(message, position):
        yield last_event


async def wait_for_end(
    chat: ChatPorts, *, account_id: UUID, room_id: UUID, reply_id: UUID, seconds: float
) -> Message | None:
    """The reply once it has ended, or as it is after `seconds`. None if it does not exist or was deleted.

    Raises TooManyRequests.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    async with chat.readers.reading(reply_id, account_id=account_id), chat.stream.follow(reply_id) as chunks:
        message = await _read(chat, account_id, room_id, reply_id)
        while message is not None and not message.status.ended and clock() < end:
            received = await chunks.receive(within=min(POLL_SECONDS, end - clock()))
            if received is StreamEnd.CLOSED:
                break
            if not isinstance(received, Chunk):
                message = await _read(chat, account_id, room_id, reply_id)
    return message


class Timer:
    """Says when so many seconds have passed, by the event loop's clock."""

    def __init__(self, seconds: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._seconds = seconds
        self.start()

    @property
    def left(self) -> float:
        """The seconds until it is due; zero or less once it is, or within a microsecond.

        The event loop runs what is due within its clock's resolution early, and would be asked again for the rest.
        """
        left = self._due - self._clock()
        return left if left > MICROSECOND else min(left, 0.0)

    def start(self, seconds: float | None = None) -> None:
        """Start anew, with the same number of seconds unless another one is given."""
        self._seconds = self._seconds if seconds is None else seconds
        self._due = self._clock() + self._seconds


class _Arrivals:
    """What a subscription delivers to one reader, for as long as `may_read`."""

    def __init__(
        self,
        chat: ChatPorts,
        chunks: StreamSubscription,
        timers: tuple[Timer, Timer],
        may_read: Callable[[], Awaitable[bool]],
    ) -> None:
        """`timers` end a wait: that until a KeepAlive, and that until the database is read."""
        self._stream = chat.stream
        self._chunks = chunks
        self._silence, self._unread = timers
        self._may_read = may_read
        self._permission = Timer(PERMISSION_SECONDS)
        self._following: Chunk | StreamEnd | None = None

    async def take(self) -> Chunk | StreamEnd | None:
        """As `StreamSubscription.receive`, with chunks merged; None also when the permission is to be checked."""
        if self._permission.left <= 0:
            if not await self._may_read():
                return StreamEnd.CLOSED
            self._permission.start()
        received, self._following = self._following, None
        if self._stream.interrupted and self._unread.left > POLL_SECONDS:
            self._unread.start(POLL_SECONDS)
        if received is None:
            wait = min(self._silence.left, self._unread.left, self._permission.left)
            received = await self._chunks.receive(within=wait)
        if isinstance(received, Chunk):
            received, self._following = await _merge_waiting(received, self._chunks)
        return received


async def _read_reply(chat: ChatPorts, account_id: UUID, room_id: UUID, reply_id: UUID) -> Message:
    """Raises MessageNotFound, NotAReply."""
    found = await read_message(chat, account_id=account_id, room_id=room_id, message_id=reply_id)
    if found.role is not Role.ASSISTANT:
        raise NotAReply
    return found


async def _read(chat: ChatPorts, account_id: UUID, room_id: UUID, reply_id: UUID) -> Message | None:
    async with chat.uow(read_only=True) as unit:
        return await unit.messages.get(reply_id, room_id, account_id)


async def _read_or_keep(chat: ChatPorts, account_id: UUID, message: Message) -> tuple[Message | None, bool]:
    """The message as it is now, and True; unchanged, and False if the database does not answer: the stream goes on."""
    try:
        return await _read(chat, account_id, message.room_id, message.id), True
    except Unavailable:
        return message, False


def _start_position(after: EventId | None, message: Message) -> EventId:
    """The beginning, too, if `after` names an attempt that does not exist."""
    if after is None or after.attempt > message.attempt:
        return BEGINNING
    return after


async def _merge_waiting(chunk: Chunk, chunks: StreamSubscription) -> tuple[Chunk, Chunk | StreamEnd | None]:
    """The chunk merged with those that continue it and have already arrived, and the first arrival that does not.

    Fewer events for a slow reader, so that a process that fell behind catches up.
    """
    following = await chunks.receive(within=0)
    if not isinstance(following, Chunk) or not _continues(chunk, chunk.end, following):
        return chunk, following
    texts, end = [chunk.text], chunk.end
    while isinstance(following, Chunk) and _continues(chunk, end, following):
        texts.append(following.text)
        end = following.end
        following = await chunks.receive(within=0)
    return replace(chunk, text="".join(texts)), following


def _continues(chunk: Chunk, end: int, following: Chunk) -> bool:
    """Whether `following` continues what began with `chunk` and reaches to `end`."""
    return (following.attempt, following.start, following.kind) == (chunk.attempt, end, chunk.kind)


def _new_events(chunk: Chunk | StreamEnd | None, position: EventId) -> Iterator[AttemptStarted | Delta]:
    """The events of a chunk for a reader at `position`; none of anything else."""
    if not isinstance(chunk, Chunk):
        return
    if chunk.attempt > position.attempt:
        position = EventId(chunk.attempt, 0)
        yield AttemptStarted(position)
    if chunk.attempt == position.attempt and chunk.start <= position.offset < chunk.end:
        yield Delta(EventId(chunk.attempt, chunk.end), chunk.text[position.offset - chunk.start :], chunk.kind)


def _last_events(message: Message | None, position: EventId) -> Iterator[ReplyEvent]:
    """The rest of an ended reply for a reader at `position`, and its end; nothing if it was deleted."""
    if message is not None:
        yield from _events_of(message, position)
        yield ReplyEnded(end_of(message), message)


def _stored_events(message: Message | None, position: EventId) -> Iterator[AttemptStarted | Delta]:
    """What the draft of an unended reply adds for a reader at `position`."""
    if message is not None and message.parts and not message.status.ended:
        yield from _events_of(message, position)


def _events_of(message: Message, position: EventId) -> Iterator[AttemptStarted | Delta]:
    for chunk in (Chunk(message.attempt, 0, ""), *split_into_chunks(message.attempt, message.parts)):
        for event in _new_events(chunk, position):
            position = event.id
            yield event
