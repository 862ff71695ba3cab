"""Reading a reply while it is written, from any position to its end.

A position is an attempt and a number of characters. Of a chunk that overlaps the position only the new part is sent, a
chunk that leaves a gap is skipped, and what is missing at the end comes from the database. Hence readers see no gap
and no repetition, whatever the stream lost or sent twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.errors import NotAReply
from parley.core.chat.events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent, Snapshot, end_of
from parley.core.chat.messages import read_message
from parley.core.chat.model import Chunk, EventId, Message, Role
from parley.core.chat.ports import StreamEnd, StreamSubscription
from parley.core.errors import Unavailable

BEGINNING = EventId(0, 0)
# How often the database is asked for an awaited end, as its announcement may be lost.
POLL_SECONDS = 1.0


async def follow_reply(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    reply_id: UUID,
    after: EventId | None,
    keep_alive_seconds: float,
) -> AsyncGenerator[ReplyEvent, None]:
    """A Snapshot, then every event behind `after`, ending with ReplyEnded.

    ReplyEnded is missing if the room was deleted or the stream is closed. After `keep_alive_seconds` without an event
    there is a KeepAlive, and the database is read again. No unit of work is open between events. Raises
    MessageNotFound, NotAReply or TooManyRequests before the first event.
    """
    async with chat.readers.reading(reply_id), chat.stream.follow(reply_id) as chunks:
        # Read after subscribing, so that no end can be missed in between.
        found = await read_message(chat, account_id=account_id, room_id=room_id, message_id=reply_id)
        if found.role is not Role.ASSISTANT:
            raise NotAReply
        yield Snapshot(found)
        message: Message | None = found
        position = _start_position(after, found)
        following: Chunk | StreamEnd | None = None
        timeout = keep_alive_seconds
        while message is not None and not message.status.ended:
            received = following or await chunks.receive(within=timeout)
            following = None
            if isinstance(received, Chunk):
                received, following = await _merge_waiting(received, chunks)
                for event in _new_events(received, position):
                    position = event.id
                    yield event
                continue
            if received is StreamEnd.CLOSED:
                return
            if received is None:
                yield KeepAlive()
            message = await _read_or_keep(chat, account_id, message)
            # An announced end that the database does not show yet is looked for again soon.
            timeout = POLL_SECONDS if received is StreamEnd.ENDED else timeout
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
    async with chat.readers.reading(reply_id), chat.stream.follow(reply_id) as chunks:
        message = await _read(chat, account_id, room_id, reply_id)
        while message is not None and not message.status.ended and clock() < end:
            received = await chunks.receive(within=min(POLL_SECONDS, end - clock()))
            if received is StreamEnd.CLOSED:
                break
            if not isinstance(received, Chunk):
                message = await _read(chat, account_id, room_id, reply_id)
    return message


async def _read(chat: ChatPorts, account_id: UUID, room_id: UUID, reply_id: UUID) -> Message | None:
    async with chat.uow(read_only=True) as unit:
        return await unit.messages.get(reply_id, room_id, account_id)


async def _read_or_keep(chat: ChatPorts, account_id: UUID, message: Message) -> Message | None:
    """The message as it is now, or unchanged if the database does not answer: the stream goes on without it."""
    try:
        return await _read(chat, account_id, message.room_id, message.id)
    except Unavailable:
        return message


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
    while isinstance(following, Chunk) and (following.attempt, following.start) == (chunk.attempt, chunk.end):
        chunk = Chunk(chunk.attempt, chunk.start, chunk.text + following.text)
        following = await chunks.receive(within=0)
    return chunk, following


def _new_events(chunk: Chunk, position: EventId) -> Iterator[AttemptStarted | Delta]:
    """The events of a chunk for a reader at `position`."""
    if chunk.attempt > position.attempt:
        position = EventId(chunk.attempt, 0)
        yield AttemptStarted(position)
    if chunk.attempt == position.attempt and chunk.start <= position.offset < chunk.end:
        yield Delta(EventId(chunk.attempt, chunk.end), chunk.text[position.offset - chunk.start :])


def _last_events(message: Message | None, position: EventId) -> Iterator[ReplyEvent]:
    """The rest of an ended reply for a reader at `position`, and its end; nothing if it was deleted."""
    if message is None:
        return
    yield from _new_events(Chunk(message.attempt, 0, message.content), position)
    yield ReplyEnded(end_of(message), message)
