"""Readers of replies, who compare what they were told with what is stored."""

from parley.core.chat.follow_reply import AttemptStarted, Delta, KeepAlive, ReplyEnded, Snapshot, end_of, follow_reply
from parley.core.chat.model import EventId, Message
from tests.unit.invariants_world import World

QUIET = 15.0


class Reader:
    """Somebody who reads the reply from `place` on, where `text` was read already; None: a place out of thin air."""

    def __init__(self, world: World, reply: Message, place: EventId, text: str | None) -> None:
        self._world = world
        self._reply = reply
        self._place = place
        self._blind = place.offset if text is None else 0
        self._text = "?" * place.offset if text is None else text
        self.told_the_end = False
        self.task = world.loop.create_task(self._read())

    async def _read(self) -> None:
        room, _ = self._world.database.committed.rooms[self._reply.room_id]
        async for event in follow_reply(
            uow=self._world.chat,
            stream=self._world.stream,
            account_id=room.account_id,
            room_id=room.id,
            reply_id=self._reply.id,
            after=self._place,
            quiet=QUIET,
        ):
            if not isinstance(event, Snapshot):
                self._see(event)

    def _see(self, event: AttemptStarted | Delta | ReplyEnded | KeepAlive) -> None:
        expect = self._world.audit.expect
        if isinstance(event, AttemptStarted):
            self._text, self._blind = "", 0
        elif isinstance(event, Delta):
            self._text += event.text
            expect(event.id.offset == len(self._text), "no gap and no repeat", event, self._text)
        elif isinstance(event, ReplyEnded):
            self.told_the_end = True
            stored = self._world.find(self._reply.id)
            expect(event.message == stored and event.id == end_of(event.message), "the end is the stored one", event)
            whole = self._text[self._blind :] == event.message.content[self._blind :]
            expect(whole, "who read to the end has the stored text", self._text, event.message)
        if not isinstance(event, KeepAlive) and not self._blind:
            self._world.places[self._reply.id].append((event.id, self._text))
