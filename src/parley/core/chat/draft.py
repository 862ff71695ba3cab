"""The text of one attempt while it grows, and how it reaches its readers."""

import asyncio
from uuid import UUID

from parley.core.chat.model import Piece
from parley.core.chat.ports import ReplyStream
from parley.core.text import made_storable

COALESCE_SECONDS = 0.04
COALESCE_CHARACTERS = 400


class Draft:
    """Collects what the model writes and sends it on in pieces: the first at once, later ones coalesced."""

    def __init__(self, *, stream: ReplyStream, reply_id: UUID, attempt: int) -> None:
        self.text = ""
        self._stream = stream
        self._reply_id = reply_id
        self._attempt = attempt
        self._sent = 0
        self._grown = asyncio.Event()
        self._large = asyncio.Event()

    def add(self, text: str) -> None:
        self.text += made_storable(text)
        self._grown.set()
        if len(self.text) - self._sent >= COALESCE_CHARACTERS:
            self._large.set()

    async def send_as_it_grows(self) -> None:
        """Runs until cancelled. Begins with the mark that tells readers to clear what an earlier attempt wrote."""
        await self._stream.append(self._reply_id, Piece(self._attempt, 0, ""))
        while True:
            await self._grown.wait()
            await self._send()
            try:
                async with asyncio.timeout(COALESCE_SECONDS):
                    await self._large.wait()
            except TimeoutError:
                continue

    async def _send(self) -> None:
        self._grown.clear()
        self._large.clear()
        piece = Piece(self._attempt, self._sent, self.text[self._sent :])
        if piece.text:
            self._sent = piece.end
            await self._stream.append(self._reply_id, piece)
