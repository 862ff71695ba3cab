"""The growing parts of one attempt, and their delivery to readers."""

import asyncio
from uuid import UUID

from parley.core.chat.model import Chunk, split_into_chunks
from parley.core.chat.parts import Part, PartKind, join_parts
from parley.core.chat.ports import ReplyStream
from parley.core.text import make_storable

COALESCE_SECONDS = 0.04
COALESCE_CHARACTERS = 400
# Of text and reasoning together: more than any model writes at once, and little enough for one row and one response.
LARGEST_REPLY_CHARACTERS = 1_000_000


class Draft:
    """Collects what a model writes and sends it in chunks.

    Sends at most once per COALESCE_SECONDS unless much arrives. `has_text` is whether any text was added;
    `too_long` whether something was cut off, since it went beyond LARGEST_REPLY_CHARACTERS.
    """

    def __init__(self, *, stream: ReplyStream, reply_id: UUID, attempt: int) -> None:
        self.has_text = False
        self.too_long = False
        self._stream = stream
        self._reply_id = reply_id
        self._attempt = attempt
        # Lists, since a string that grows by every word would be copied for every word. What was sent is held as
        # strings, which a collection of garbage does not visit: the passages of a thousand replies take it 0.3 s.
        self._sent: list[tuple[PartKind, list[str]]] = []
        self._unsent: list[Part] = []
        self._characters_sent = 0
        self._characters_unsent = 0
        self._clock = asyncio.get_running_loop().time
        self._next_send = self._clock()
        self._delayed = asyncio.Event()

    @property
    def characters(self) -> int:
        """The number of characters that were added so far."""
        return self._characters_sent + self._characters_unsent

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything that was added so far. Its cost grows with its length, so it is for the end."""
        sent = (Part(kind, "".join(texts)) for kind, texts in self._sent)
        return join_parts((*sent, *self._unsent))

    async def begin(self) -> None:
        """Send an empty chunk, at which readers clear the parts of an earlier attempt."""
        await self._stream.append(self._reply_id, Chunk(self._attempt, 0, ""))

    async def add(self, kind: PartKind, text: str) -> None:
        """Append `text` and send it, unless a chunk was sent a moment ago: then `send_delayed` does."""
        text = make_storable(text)
        room = LARGEST_REPLY_CHARACTERS - self.characters
        if len(text) > room:
            self.too_long = True
            text = text[:room]
        self.has_text = self.has_text or (kind is PartKind.TEXT and bool(text))
        self._unsent.append(Part(kind, text))
        self._characters_unsent += len(text)
        if self._clock() >= self._next_send or self._characters_unsent >= COALESCE_CHARACTERS:
            await self._send()
        else:
            self._delayed.set()

    async def send_delayed(self) -> None:
        """Send delayed text as it becomes due. Runs until cancelled."""
        while True:
            await self._delayed.wait()
            await asyncio.sleep(self._next_send - self._clock())
            self._delayed.clear()
            await self._send()

    async def _send(self) -> None:
        parts = join_parts(self._unsent)
        if not parts:
            return
        # All of this before the first await, where this task may be cancelled and another one may send.
        start = self._characters_sent
        self._remember(parts)
        self._characters_sent += self._characters_unsent
        self._unsent, self._characters_unsent = [], 0
        self._next_send = self._clock() + COALESCE_SECONDS
        for chunk in split_into_chunks(self._attempt, parts, start=start):
            await self._stream.append(self._reply_id, chunk)

    def _remember(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            if not self._sent or self._sent[-1][0] is not part.kind:
                self._sent.append((part.kind, []))
            self._sent[-1][1].append(part.text)
