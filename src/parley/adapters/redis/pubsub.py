"""One pub/sub connection for everything that a process subscribes to."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from parley.adapters.redis.client.background import (
    BACKGROUND_WAIT_SECONDS,
    repeat_with_backoff,
    run_until_one_ends,
    running_in_background,
)
from parley.adapters.redis.client.connection import RedisClient

# The first subscription of each connection, open as long as the connection: its confirmation shows that Redis answers,
# and without any subscription a PING would be answered in another format.
CONTROL_CHANNEL = "parley:control"
PING_SECONDS = 5.0


class ChannelListener(Protocol):
    """Callbacks of one channel, in the order of events. Run in the reading task: must be quick and must not raise."""

    def on_subscribed(self) -> None:
        """Messages published from now on will be received. Comes again after each `on_disconnect`, and may repeat."""

    def on_message(self, data: bytes) -> None: ...

    def on_disconnect(self) -> None:
        """The connection was lost; messages published until the next `on_subscribed` are lost."""


class PubSub:
    """Subscribes to each channel while it has listeners. Adding and removing listeners never waits."""

    def __init__(self, client: RedisClient, *, ping_seconds: float = PING_SECONDS) -> None:
        """A connection that stops answering without being closed is replaced after two to three `ping_seconds`."""
        self._client = client
        self._ping_seconds = ping_seconds
        self._control_channel = client.name(CONTROL_CHANNEL)
        self._listeners: dict[str, set[ChannelListener]] = {}
        self._requested: set[str] = set()
        self._confirmed: set[str] = set()
        self._changed_channels: set[str] = set()
        self._changed = asyncio.Event()
        self._attempted = asyncio.Event()
        self._last_received_at = 0.0
        self.connected = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Stay connected, reconnecting as needed, while the context is open. Opens without Redis too."""
        async with running_in_background(repeat_with_backoff(self._client, self._connect_and_read)):
            with suppress(TimeoutError):
                async with asyncio.timeout(BACKGROUND_WAIT_SECONDS):
                    await self._attempted.wait()
            yield

    def subscribe(self, channel: str, listener: ChannelListener) -> None:
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._confirmed:
            listener.on_subscribed()
        else:
            self._mark_changed(channel)

    def unsubscribe(self, channel: str, listener: ChannelListener) -> None:
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._mark_changed(channel)

    def _mark_changed(self, channel: str) -> None:
        self._changed_channels.add(channel)
        self._changed.set()

    async def _connect_and_read(self) -> None:
        """The life of one connection. Ends by raising."""
        try:
            async with self._client.connection() as connection:
                await connection.send_command("SUBSCRIBE", self._control_channel)
                self._last_received_at = asyncio.get_running_loop().time()
                self._changed_channels.update(self._listeners)
                self._changed.set()
                await run_until_one_ends(
                    self._read(connection), self._update_subscriptions(connection), self._ping(connection)
                )
        finally:
            self._attempted.set()
            self._disconnect()

    async def _read(self, connection: Connection) -> None:
        """Read from the connection itself: redis-py's PubSub costs several times as much for each message."""
        clock = asyncio.get_running_loop().time
        while True:
            kind, *message = await connection.read_response(timeout=math.inf)
            self._last_received_at = clock()
            if kind == b"message":
                channel, data = message
                for listener in tuple(self._listeners.get(channel.decode(), ())):
                    listener.on_message(data)
            elif kind == b"subscribe":
                self._confirm(message[0].decode())

    def _confirm(self, channel: str) -> None:
        if channel == self._control_channel:
            self.connected = True
            self._attempted.set()
        elif channel in self._listeners:
            # Even if it was confirmed before: all listeners may have been replaced in the meantime.
            self._confirmed.add(channel)
            for listener in tuple(self._listeners[channel]):
                listener.on_subscribed()

    async def _update_subscriptions(self, connection: Connection) -> None:
        """Make the server's subscriptions match the listeners, with one command for all changes since the last."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            channels, self._changed_channels = self._changed_channels, set()
            wanted = {channel for channel in channels if channel in self._listeners}
            new, unwanted = wanted - self._requested, (channels - wanted) & self._requested
            self._requested = (self._requested | new) - unwanted
            self._confirmed -= unwanted
            if new:
                await connection.send_command("SUBSCRIBE", *new)
            if unwanted:
                await connection.send_command("UNSUBSCRIBE", *unwanted)

    async def _ping(self, connection: Connection) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await connection.send_command("PING")
            await asyncio.sleep(self._ping_seconds)
            if clock() - self._last_received_at > 2 * self._ping_seconds:
                raise RedisConnectionError("The pub/sub connection went silent.")

    def _disconnect(self) -> None:
        self.connected = False
        self._requested.clear()
        self._confirmed.clear()
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                listener.on_disconnect()
