"""A client of a reply's stream: it does with the events what a browser does."""

from collections.abc import AsyncGenerator

from parley.core.chat.follow_reply import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent
from parley.core.chat.model import EventId, Message


class Reader:
    """Clears its text at a start, appends every delta, and remembers the last id. `text` is what it has already."""

    def __init__(self, text: str = "", last: EventId | None = None) -> None:
        self.text = text
        self.last = last
        self.events: list[ReplyEvent] = []
        self.ended: Message | None = None

    def take(self, event: ReplyEvent) -> None:
        assert self.ended is None, "nothing follows the end"
        self.events.append(event)
        match event:
            case AttemptStarted(place):
                assert self.last is None or place.attempt > self.last.attempt
                assert place.offset == 0
                self.text = ""
            case Delta(place, text):
                assert text
                self.text += text
                assert place.offset == len(self.text)
                assert self.last is None or place > self.last
            case ReplyEnded(_, message):
                self.ended = message
        if not isinstance(event, KeepAlive):
            self.last = event.id

    async def read(self, events: AsyncGenerator[ReplyEvent, None]) -> "Reader":
        """To the end of the stream."""
        async for event in events:
            self.take(event)
        return self
