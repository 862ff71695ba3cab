"""Wires that lose, repeat and reorder."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream, StreamEnd, StreamSubscription


class LossyStream:
    """A stream whose readers get some of what is sent: never, twice, or later than what came after it."""

    def __init__(self, stream: ReplyStream, random: Random) -> None:
        self._stream = stream
        self._random = random
        self.append = stream.append
        self.end = stream.end
        self.text_so_far = stream.text_so_far
        self.close = stream.close

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        async with self._stream.follow(reply_id) as pieces:
            yield LossySubscription(pieces, self._random)


@dataclass
class LossySubscription:
    pieces: StreamSubscription
    random: Random
    held_back: list[Chunk | StreamEnd] = field(default_factory=list)

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        while True:
            if self.held_back and self.random.random() < 0.3:
                return self.held_back.pop(self.random.randrange(len(self.held_back)))
            arrival = await self.pieces.receive(within=within)
            if arrival is None:
                return None
            fate = self.random.choice(["lost", "late", "twice", "sent", "sent"])
            if fate in {"late", "twice"}:
                self.held_back.append(arrival)
            if fate in {"twice", "sent"}:
                return arrival
