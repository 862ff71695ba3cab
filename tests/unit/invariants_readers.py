"""Readers of replies, which compare what they receive with what is stored."""

from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.model import EventId, Message
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, Snapshot, end_of
from tests.fakes.streams import always
from tests.unit.invariants_world import World

KEEP_ALIVE_SECONDS = 15.0


class Reader:
    """Follows the reply from `position`, having read `text` before; with None, the position is an arbitrary one."""

    def __init__(self, world: World, reply: Message, position: EventId, text: str | None) -> None:
        self._world = world
        self._reply = reply
        self._position = position
        self._blind = position.offset if text is None else 0
        self._text = "?" * position.offset if text is None else text
        self.saw_the_end = False
        self.task = world.loop.create_task(self._read())

    async def _read(self) -> None:
        room, _ = self._world.database.committed.rooms[self._reply.room_id]
        async for event in follow_reply(
            self._world.chat,
            account_id=room.account_id,
            room_id=room.id,
            reply_id=self._reply.id,
            after=self._position,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            may_read=always,
        ):
            if not isinstance(event, Snapshot):
                self._check(event)

    def _check(self, event: AttemptStarted | Delta | ReplyEnded | KeepAlive) -> None:
        expect = self._world.audit.expect
        if isinstance(event, AttemptStarted):
            self._text, self._blind = "", 0
        elif isinstance(event, Delta):
            self._text += event.text
            expect(event.id.offset == len(self._text), "no gap and no repetition", event, self._text)
        elif isinstance(event, ReplyEnded):
            self.saw_the_end = True
            stored = self._world.find(self._reply.id)
            expect(event.message == stored and event.id == end_of(event.message), "the end is the stored one", event)
            whole = self._text[self._blind :] == event.message.content[self._blind :]
            expect(whole, "a reader at the end has the stored text", self._text, event.message)
        if not isinstance(event, KeepAlive) and not self._blind:
            self._world.positions[self._reply.id].append((event.id, self._text))
