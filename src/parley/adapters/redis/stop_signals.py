"""Stop signals over Redis."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from parley.adapters.redis.client.connection import PATIENCE_SECONDS, RedisClient
from parley.adapters.redis.pubsub import PubSub

CHANNEL = "parley:stop"


class RedisStopSignals:
    """One channel for all replies: signals are rare, and subscribing for each reply would not be.

    `send` needs nothing else; `listen` hears signals only inside of `running`.
    """

    def __init__(self, link: RedisClient, channels: PubSub) -> None:
        self._link = link
        self._channels = channels
        self._listeners: dict[bytes, set[asyncio.Event]] = {}
        self._joined = asyncio.Event()
        self._was_cut_off = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Enter it inside of the channels' own. Opens also when Redis does not answer."""
        self._channels.join(CHANNEL, self)
        try:
            if self._channels.connected:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await self._joined.wait()
            yield
        finally:
            self._channels.leave(CHANNEL, self)

    async def send(self, reply_id: UUID) -> None:
        with self._link.best_effort():
            await self._link.commands.publish(CHANNEL, reply_id.bytes)

    @asynccontextmanager
    async def listen(self, reply_id: UUID) -> AsyncGenerator[asyncio.Event, None]:
        nudged = asyncio.Event()
        listeners = self._listeners.setdefault(reply_id.bytes, set())
        listeners.add(nudged)
        try:
            yield nudged
        finally:
            listeners.discard(nudged)
            if not listeners and self._listeners.get(reply_id.bytes) is listeners:
                del self._listeners[reply_id.bytes]

    def on_message(self, data: bytes) -> None:
        for nudged in self._listeners.get(data, ()):
            nudged.set()

    def on_disconnect(self) -> None:
        self._was_cut_off = True

    def on_subscribed(self) -> None:
        """Signals may have been lost before: a nudge to everyone costs one look into the database each."""
        self._joined.set()
        if self._was_cut_off:
            self._was_cut_off = False
            for listeners in self._listeners.values():
                for nudged in listeners:
                    nudged.set()
