"""Signals to the readers of rooms over Redis."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from uuid import UUID

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.pubsub import PubSub

CHANNELS = "parley:room:"


class RedisRoomSignals:
    """One channel for each room: a process receives only what its own readers are to learn.

    `pubsub` must be running where one listens.
    """

    def __init__(self, client: RedisClient, pubsub: PubSub) -> None:
        self._client = client
        self._pubsub = pubsub

    async def send(self, room_id: UUID) -> None:
        if self._client.outage.lasts:
            return
        with self._client.best_effort():
            await self._client.execute("PUBLISH", self._channel(room_id), b"")

    @contextmanager
    def listen(self, room_id: UUID, on_signal: Callable[[], None]) -> Generator[None, None, None]:
        listener, channel = _Listener(on_signal), self._channel(room_id)
        self._pubsub.subscribe(channel, listener)
        try:
            yield
        finally:
            self._pubsub.unsubscribe(channel, listener)

    def _channel(self, room_id: UUID) -> str:
        return self._client.name(f"{CHANNELS}{room_id}")


class _Listener:
    def __init__(self, on_signal: Callable[[], None]) -> None:
        self._on_signal = on_signal

    def on_subscribed(self) -> None:
        self._on_signal()

    def on_message(self, _: bytes) -> None:
        self._on_signal()

    def on_disconnect(self) -> None:
        """What is lost from now on is found after `on_subscribed`."""
