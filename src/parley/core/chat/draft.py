"""The growing text of one attempt, and its delivery to readers."""

import asyncio
from uuid import UUID

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream
from parley.core.text import make_storable

COALESCE_SECONDS = 0.04
COALESCE_CHARACTERS = 400


class Draft:
    """Collects a model's text and sends it in chunks, at most one per COALESCE_SECONDS unless much text arrives."""

    def __init__(self, *, stream: ReplyStream, reply_id: UUID, attempt: int) -> None:
        self.text = ""
        self._stream = stream
        self._reply_id = reply_id
        self._attempt = attempt
        self._sent = 0
        self._clock = asyncio.get_running_loop().time
        self._next_send = self._clock()
        self._delayed = asyncio.Event()

    async def begin(self) -> None:
        """Send an empty chunk, at which readers clear the text of an earlier attempt."""
        await self._stream.append(self._reply_id, Chunk(self._attempt, 0, ""))

    async def add(self, text: str) -> None:
        """Append `text` and send it, unless a chunk was sent a moment ago: then `send_delayed` does."""
        self.text += make_storable(text)
        if self._clock() >= self._next_send or len(self.text) - self._sent >= COALESCE_CHARACTERS:
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
        chunk = Chunk(self._attempt, self._sent, self.text[self._sent :])
        if chunk.text:
            self._sent = chunk.end
            self._next_send = self._clock() + COALESCE_SECONDS
            await self._stream.append(self._reply_id, chunk)
