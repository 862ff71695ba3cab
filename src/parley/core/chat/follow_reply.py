"""Reading a reply while it is written, from any place, to its end.

A reader's place is an attempt and a count of characters. Pieces that it has seen are cut off, pieces that do not join
are passed over, and what is missing at the end comes from the database: so there is no gap and no repeat, whatever
the wire lost or sent twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat.errors import NotAReply
from parley.core.chat.messages import read_message
from parley.core.chat.model import Chunk, EventId, Message, Role
from parley.core.chat.ports import ReplyStream, StreamEnd, StreamSubscription
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The reply as the database has it now. Comes first, and is for whoever asked."""

    message: Message


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt began: a reader clears the text of earlier ones."""

    id: EventId


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that follows what was read. `id` is the place after it."""

    id: EventId
    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply as the database has it. Nothing follows."""

    id: EventId
    message: Message


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing happened for a while: time for a sign of life."""


ReplyEvent = Snapshot | AttemptStarted | Delta | ReplyEnded | KeepAlive
BEGINNING = EventId(0, 0)
# How often one who waits for an end looks for himself: its sign may be lost.
LOOK_SECONDS = 1.0


def end_of(message: Message) -> EventId:
    """The place after an ended reply's last event, one behind its text."""
    return EventId(message.attempt, len(message.content) + 1)


async def follow_reply(
    *,
    uow: ChatUnitOfWork,
    stream: ReplyStream,
    account_id: UUID,
    room_id: UUID,
    reply_id: UUID,
    after: EventId | None,
    quiet: float,
) -> AsyncGenerator[ReplyEvent, None]:
    """Found, then every event behind `after`, ending with Ended.

    There is no Ended when the room was deleted or the stream is closed. Raises MessageNotFound, NotAReply, at once.
    After `quiet` seconds without an event there is a Quiet, and a look into the database. No unit of work is open
    between events.
    """
    async with stream.follow(reply_id) as pieces:
        # Read after subscribing, so that no end can fall between the two.
        found = await read_message(uow=uow, account_id=account_id, room_id=room_id, message_id=reply_id)
        if found.role is not Role.ASSISTANT:
            raise NotAReply
        yield Snapshot(found)
        message: Message | None = found
        place = _honest(after, found)
        following: Chunk | StreamEnd | None = None
        patience = quiet
        while message is not None and not message.status.ended:
            received = following or await pieces.receive(within=patience)
            following = None
            if isinstance(received, Chunk):
                received, following = await _with_what_waits(received, pieces)
                for event in _new_in(received, place):
                    place = event.id
                    yield event
                continue
            if received is StreamEnd.CLOSED:
                return
            if received is None:
                yield KeepAlive()
            message = await _as_far_as_known(uow, account_id, room_id, message)
            # An end that the database does not tell yet is looked for again.
            patience = LOOK_SECONDS if received is StreamEnd.ENDED else patience
    for last_event in _rest_of(message, place):
        yield last_event


async def wait_for_end(
    *, uow: ChatUnitOfWork, stream: ReplyStream, account_id: UUID, room_id: UUID, reply_id: UUID, seconds: float
) -> Message | None:
    """The reply once it has ended, or as it is after `seconds`. None when it is gone."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    async with stream.follow(reply_id) as pieces:
        message = await _reread(uow, account_id, room_id, reply_id)
        while message is not None and not message.status.ended and clock() < end:
            received = await pieces.receive(within=min(LOOK_SECONDS, end - clock()))
            if received is StreamEnd.CLOSED:
                break
            if not isinstance(received, Chunk):
                message = await _reread(uow, account_id, room_id, reply_id)
    return message


async def _reread(uow: ChatUnitOfWork, account_id: UUID, room_id: UUID, reply_id: UUID) -> Message | None:
    async with uow(read_only=True) as unit:
        return await unit.messages.get(reply_id, room_id, account_id)


async def _as_far_as_known(uow: ChatUnitOfWork, account_id: UUID, room_id: UUID, message: Message) -> Message | None:
    """As it is now, or as it was while the database does not answer: the text goes on without it."""
    try:
        return await _reread(uow, account_id, room_id, message.id)
    except Unavailable:
        return message


def _honest(after: EventId | None, message: Message) -> EventId:
    """Where to go on: at the beginning for a reader who claims to have seen what was never written."""
    if after is None or after.attempt > message.attempt:
        return BEGINNING
    return after


async def _with_what_waits(piece: Chunk, pieces: StreamSubscription) -> tuple[Chunk, Chunk | StreamEnd | None]:
    """The piece joined with those that wait behind it, and what came that does not join.

    Fewer events for a reader who is late: so a process that fell behind catches up.
    """
    following = await pieces.receive(within=0)
    while isinstance(following, Chunk) and (following.attempt, following.start) == (piece.attempt, piece.end):
        piece = Chunk(piece.attempt, piece.start, piece.text + following.text)
        following = await pieces.receive(within=0)
    return piece, following


def _new_in(piece: Chunk, place: EventId) -> Iterator[AttemptStarted | Delta]:
    if piece.attempt > place.attempt:
        place = EventId(piece.attempt, 0)
        yield AttemptStarted(place)
    joins = piece.attempt == place.attempt and piece.start <= place.offset < piece.end
    if joins:
        yield Delta(EventId(piece.attempt, piece.end), piece.text[place.offset - piece.start :])


def _rest_of(message: Message | None, place: EventId) -> Iterator[ReplyEvent]:
    if message is None:
        return
    if message.attempt > place.attempt:
        place = EventId(message.attempt, 0)
        yield AttemptStarted(place)
    rest = message.content[place.offset :] if message.attempt == place.attempt else ""
    if rest:
        yield Delta(EventId(message.attempt, len(message.content)), rest)
    yield ReplyEnded(end_of(message), message)
