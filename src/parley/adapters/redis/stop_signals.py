"""Stop signals over Redis."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from parley.adapters.redis.client.background import BACKGROUND_WAIT_SECONDS
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.pubsub import PubSub

CHANNEL = "parley:stop"


class RedisStopSignals:
    """One channel for all replies: signals are rare, whereas a subscription for each reply would not be.

    `send` works at any time, `listen` only while `running`.
    """

    def __init__(self, client: RedisClient, pubsub: PubSub) -> None:
        self._client = client
        self._pubsub = pubsub
        self._channel = client.name(CHANNEL)
        self._listeners: dict[bytes, set[asyncio.Event]] = {}
        self._subscribed = asyncio.Event()
        self._was_disconnected = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Subscribed while the context is open; `pubsub` must be running. Opens without Redis too."""
        self._pubsub.subscribe(self._channel, self)
        try:
            if self._pubsub.connected:
                with suppress(TimeoutError):
                    async with asyncio.timeout(BACKGROUND_WAIT_SECONDS):
                        await self._subscribed.wait()
            yield
        finally:
            self._pubsub.unsubscribe(self._channel, self)

    async def send(self, reply_id: UUID) -> None:
        with self._client.best_effort():
            await self._client.commands.publish(self._channel, reply_id.bytes)

    @asynccontextmanager
    async def listen(self, reply_id: UUID) -> AsyncGenerator[asyncio.Event, None]:
        signalled = asyncio.Event()
        listeners = self._listeners.setdefault(reply_id.bytes, set())
        listeners.add(signalled)
        try:
            yield signalled
        finally:
            listeners.discard(signalled)
            if not listeners and self._listeners.get(reply_id.bytes) is listeners:
                del self._listeners[reply_id.bytes]

    def on_message(self, data: bytes) -> None:
        for signalled in self._listeners.get(data, ()):
            signalled.set()

    def on_disconnect(self) -> None:
        self._was_disconnected = True

    def on_subscribed(self) -> None:
        """After a disconnect set every event: a signal may have been lost, and a needless one costs one query."""
        self._subscribed.set()
        if self._was_disconnected:
            self._was_disconnected = False
            for listeners in self._listeners.values():
                for signalled in listeners:
                    signalled.set()
