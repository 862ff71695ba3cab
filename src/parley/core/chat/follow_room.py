"""Reading a room: what is accepted in it, and the events of its replies, in the order of the room.

The database is the truth. Of accepted messages everything behind the reader's position is read there, whatever woke the
reader, and a reply is followed as `follow_reply` does. Hence readers see no gap and no repetition.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.accepted import as_accepted
from parley.core.chat.errors import MessageNotFound, RoomNotFound
from parley.core.chat.follow_reply import BEGINNING, POLL_SECONDS, Timer, follow_reply
from parley.core.chat.model import Message, Role
from parley.core.chat.reply_events import AttemptStarted, Delta, ReplyEnded
from parley.core.chat.room_events import (
    MessageAccepted,
    ReplyProgress,
    RoomEvent,
    RoomOpened,
    RoomPosition,
    RoomQuiet,
    position_after,
)
from parley.core.errors import Unavailable
from parley.core.tasks import cancel_and_wait

_PAGE = 50

_Progress = tuple[Message, AttemptStarted | Delta | ReplyEnded]


async def follow_room(
    chat: ChatPorts,
    *,
    account_id: UUID,
    room_id: UUID,
    after: RoomPosition | None,
    keep_alive_seconds: float,
    may_read: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[RoomEvent, None]:
    """RoomOpened, then every event behind `after`, for ever; RoomQuiet after `keep_alive_seconds` without another one.

    Without `after` it begins with the unfinished replies, each from its beginning, and with what is accepted from now
    on. It ends when `may_read`, which is asked every PERMISSION_SECONDS, returns False, or when the process shuts down.

    Raises RoomNotFound, also later when the room is deleted, and before the first event TooManyRequests.
    """
    arrivals = _Arrivals()
    async with chat.readers.reading(room_id, account_id=account_id):
        with chat.open_rooms.reading(room_id, arrivals.note_change, may_read):
            begin = await _begin(chat, account_id, room_id, after)
            yield RoomOpened(begin)
            reader = _RoomReader(chat, account_id, room_id, begin, arrivals)
            replies = asyncio.create_task(reader.follow_replies(may_read))
            replies.add_done_callback(lambda _: arrivals.note_change())
            silence = Timer(keep_alive_seconds)

            async def goes_on() -> bool:
                return not chat.open_rooms.closed and await may_read()

            try:
                while not replies.done() and await goes_on():
                    async for event in reader.arrived(within=silence.left, goes_on=goes_on):
                        yield event
                        silence.start()
                    if silence.left <= 0:
                        yield RoomQuiet()
                        silence.start()
                if replies.done():
                    replies.result()
            finally:
                await cancel_and_wait(replies)


async def _begin(chat: ChatPorts, account_id: UUID, room_id: UUID, after: RoomPosition | None) -> RoomPosition:
    """Where a reader begins: `after`, but behind no message that the room does not have. Raises RoomNotFound."""
    async with chat.uow(read_only=True) as unit:
        if await unit.rooms.get(room_id, account_id) is None:
            raise RoomNotFound
        last = (await unit.rooms.last_positions([room_id])).get(room_id, 0)
        if after is not None:
            if after.reply > last + 1:
                return RoomPosition(last, last + 1)
            return replace(after, accepted=min(after.accepted, last))
        # After the last position was read: what is accepted meanwhile is behind it, and not to be skipped.
        unfinished = await unit.replies.next_in_room(room_id)
        reply = None if unfinished is None else await unit.messages.get(unfinished, room_id, account_id)
    return RoomPosition(last, last + 1 if reply is None else min(reply.position, last + 1))


def _is_of_model(message: Message) -> bool:
    """Whether it is a reply that was asked of a model, and not given for the record."""
    return message.model is not None


class _Arrivals:
    """What wakes one reader: a change of its room, or the next event of a reply, of which one waits at a time."""

    def __init__(self) -> None:
        self.changed = True
        self._progress: _Progress | None = None
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()

    def note_change(self) -> None:
        self.changed = True
        self._arrived.set()

    async def put(self, progress: _Progress) -> None:
        """Returns once it was taken, so that a slow client holds up its reader and not the memory."""
        self._progress = progress
        self._arrived.set()
        self._taken.clear()
        await self._taken.wait()

    def take(self) -> _Progress | None:
        progress, self._progress = self._progress, None
        self._taken.set()
        return progress

    async def wait(self, *, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._arrived.wait()
        except TimeoutError:
            return
        self._arrived.clear()


class _RoomReader:
    def __init__(
        self, chat: ChatPorts, account_id: UUID, room_id: UUID, position: RoomPosition, arrivals: _Arrivals
    ) -> None:
        self._chat = chat
        self._account_id = account_id
        self._room_id = room_id
        self._position = position
        self._arrivals = arrivals
        self._more = asyncio.Event()

    async def arrived(
        self, *, within: float, goes_on: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[MessageAccepted | ReplyProgress, None]:
        """What arrives within so many seconds, or after a wait of that length nothing. It ends when `goes_on` is false.

        Raises RoomNotFound.
        """
        if not self._arrivals.changed:
            await self._arrivals.wait(within=within)
        if self._arrivals.changed:
            self._arrivals.changed = False
            try:
                for message in await self._read_accepted():
                    accepted = await self._accepted(message)
                    # Each, since a slow client takes minutes for a page.
                    if not await goes_on():
                        return
                    yield accepted
            except Unavailable:
                # Tried again; what was accepted is in the database for as long as that takes.
                asyncio.get_running_loop().call_later(POLL_SECONDS, self._arrivals.note_change)
        progress = self._arrivals.take()
        if progress is not None and await goes_on():
            self._position = position_after(self._position, *progress)
            yield ReplyProgress(self._position, *progress)

    async def _read_accepted(self) -> list[Message]:
        """The next messages that the reader does not know of, oldest first, without those that a reply answers."""
        async with self._chat.uow(read_only=True) as unit:
            found = await unit.messages.after(self._room_id, self._position.accepted, limit=_PAGE)
            if not found and await unit.rooms.get(self._room_id, self._account_id) is None:
                raise RoomNotFound
        if len(found) == _PAGE:
            self._arrivals.note_change()
            # Its reply may be the next message.
            found = found[:-1] if found[-1].role is Role.USER else found
        answered = {message.reply_to for message in found if _is_of_model(message)}
        return [message for message in found if message.id not in answered]

    async def _accepted(self, message: Message) -> MessageAccepted:
        exchange = None
        if _is_of_model(message):
            async with self._chat.uow(read_only=True) as unit:
                exchange = await unit.messages.exchange(message.id)
        self._position = replace(self._position, accepted=message.position)
        self._more.set()
        if exchange is None:
            return MessageAccepted(self._position, message, None)
        question, reply = exchange
        return MessageAccepted(self._position, question, as_accepted(reply))

    async def follow_replies(self, may_read: Callable[[], Awaitable[bool]]) -> None:
        """Put the events of the room's replies into `arrivals`, those of one reply after those of the one before."""
        while True:
            self._more.clear()
            try:
                reply = await self._next_reply()
                if reply is None:
                    await self._more.wait()
                else:
                    await self._follow(reply, may_read)
            except (Unavailable, MessageNotFound):
                # Of a deleted room the reader itself learns.
                self._arrivals.note_change()
                await asyncio.sleep(POLL_SECONDS)

    async def _next_reply(self) -> Message | None:
        """The first reply that was accepted for this reader and whose end it has not read."""
        position = self._position.reply - 1
        while position < self._position.accepted:
            async with self._chat.uow(read_only=True) as unit:
                found = await unit.messages.after(self._room_id, position, limit=2)
            for message in found:
                if _is_of_model(message):
                    return message if message.position <= self._position.accepted else None
            if not found:
                return None
            position = found[-1].position
        return None

    async def _follow(self, reply: Message, may_read: Callable[[], Awaitable[bool]]) -> None:
        """Raises MessageNotFound, also for a stream that ends without the reply's end."""
        after = self._position.event if self._position.reply == reply.position else BEGINNING
        following = follow_reply(
            self._chat,
            account_id=self._account_id,
            room_id=self._room_id,
            reply_id=reply.id,
            after=after,
            keep_alive_seconds=POLL_SECONDS * 15,
            may_read=may_read,
            reading=nullcontext(),
        )
        async with aclosing(following) as events:
            async for event in events:
                if isinstance(event, AttemptStarted | Delta | ReplyEnded):
                    await self._arrivals.put((reply, event))
                    if isinstance(event, ReplyEnded):
                        return
        raise MessageNotFound
