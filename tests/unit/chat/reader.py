"""A client of a reply's stream, which treats the events as a browser does."""

from collections.abc import AsyncGenerator

from parley.core.chat.model import EventId, Message
from parley.core.chat.parts import Part, PartKind, text_of
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEnded, ReplyEvent


class Reader:
    """Clears its text at a start, appends every delta, and stores the last id. `text` is what it begins with.

    `read_parts` are text and reasoning in the order in which they came.
    """

    def __init__(self, text: str = "", last: EventId | None = None) -> None:
        self.read_parts = [Part(PartKind.TEXT, text)]
        self.last = last
        self.events: list[ReplyEvent] = []
        self.ended: Message | None = None

    @property
    def text(self) -> str:
        return text_of(self.read_parts)

    def take(self, event: ReplyEvent) -> None:
        assert self.ended is None, "nothing follows the end"
        self.events.append(event)
        match event:
            case AttemptStarted(position):
                assert self.last is None or position.attempt > self.last.attempt
                assert position.offset == 0
                self.read_parts = []
            case Delta(position, text, kind):
                assert text
                self.read_parts.append(Part(kind, text))
                assert position.offset == sum(len(part.text) for part in self.read_parts)
                assert self.last is None or position > self.last
            case ReplyEnded(_, message):
                self.ended = message
        if not isinstance(event, KeepAlive):
            self.last = event.id

    async def read(self, events: AsyncGenerator[ReplyEvent, None]) -> "Reader":
        """Read to the end of the stream."""
        async for event in events:
            self.take(event)
        return self
