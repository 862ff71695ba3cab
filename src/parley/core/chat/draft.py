"""The text of one attempt while it grows, and how it reaches its readers."""

import asyncio
from uuid import UUID

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream
from parley.core.text import make_storable

COALESCE_SECONDS = 0.04
COALESCE_CHARACTERS = 400


class Draft:
    """Collects what the model writes and sends it on in pieces: at once, unless one was sent a moment ago."""

    def __init__(self, *, stream: ReplyStream, reply_id: UUID, attempt: int) -> None:
        self.text = ""
        self._stream = stream
        self._reply_id = reply_id
        self._attempt = attempt
        self._sent = 0
        self._clock = asyncio.get_running_loop().time
        self._next_at = self._clock()
        self._held = asyncio.Event()

    async def begin(self) -> None:
        """Send the mark that tells readers to clear what an earlier attempt wrote."""
        await self._stream.append(self._reply_id, Chunk(self._attempt, 0, ""))

    async def add(self, text: str) -> None:
        self.text += make_storable(text)
        if self._clock() >= self._next_at or len(self.text) - self._sent >= COALESCE_CHARACTERS:
            await self._send()
        else:
            self._held.set()

    async def send_what_is_held(self) -> None:
        """Runs until cancelled: sends what came too soon after the piece before."""
        while True:
            await self._held.wait()
            await asyncio.sleep(self._next_at - self._clock())
            self._held.clear()
            await self._send()

    async def _send(self) -> None:
        piece = Chunk(self._attempt, self._sent, self.text[self._sent :])
        if piece.text:
            self._sent = piece.end
            self._next_at = self._clock() + COALESCE_SECONDS
            await self._stream.append(self._reply_id, piece)
