"""A reply stream that loses, repeats and reorders."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from parley.core.chat.model import Chunk
from parley.core.chat.ports import ReplyStream, StreamEnd, StreamSubscription


class LossyStream:
    """A stream whose readers receive some chunks never, twice, or after later ones."""

    def __init__(self, stream: ReplyStream, random: Random) -> None:
        self._stream = stream
        self._random = random
        self.append = stream.append
        self.end = stream.end
        self.parts_so_far = stream.parts_so_far
        self.close = stream.close
        self.interrupted = stream.interrupted

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        async with self._stream.follow(reply_id) as chunks:
            yield LossySubscription(chunks, self._random)


@dataclass
class LossySubscription:
    chunks: StreamSubscription
    random: Random
    delayed: list[Chunk | StreamEnd] = field(default_factory=list)

    async def receive(self, *, within: float) -> Chunk | StreamEnd | None:
        while True:
            if self.delayed and self.random.random() < 0.3:
                return self.delayed.pop(self.random.randrange(len(self.delayed)))
            arrival = await self.chunks.receive(within=within)
            if arrival is None:
                return None
            fate = self.random.choice(["lost", "late", "twice", "sent", "sent"])
            if fate in {"late", "twice"}:
                self.delayed.append(arrival)
            if fate in {"twice", "sent"}:
                return arrival
