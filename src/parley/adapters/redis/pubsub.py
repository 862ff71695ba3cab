"""One pub/sub connection for everything that a process listens to."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from parley.adapters.redis.client.connection import (
    PATIENCE_SECONDS,
    RedisClient,
    repeat_with_backoff,
    run_until_one_ends,
    running_in_background,
)

# Subscribed before anything else, and for ever: its confirmation says that Redis is there, and only a connection with
# subscriptions is answered in the way that is read here.
CONTROL_CHANNEL = "parley:control"
PULSE_SECONDS = 5.0


class ChannelListener(Protocol):
    """What a channel tells, in the order of the wire. Called on the reading task: must be quick and not raise."""

    def on_subscribed(self) -> None:
        """Whatever is published from now on will be heard. Comes again after each `on_disconnect`, and may repeat."""

    def on_message(self, data: bytes) -> None: ...

    def on_disconnect(self) -> None:
        """The connection was lost; what is published until the next `on_subscribed` is lost here."""


class PubSub:
    """Each channel is subscribed while it has listeners. Joining and leaving never wait."""

    def __init__(self, link: RedisClient, *, pulse: float = PULSE_SECONDS) -> None:
        """A connection that died without a word is noticed after two to three `pulse` seconds."""
        self._link = link
        self._pulse = pulse
        self._listeners: dict[str, set[ChannelListener]] = {}
        self._asked: set[str] = set()
        self._confirmed: set[str] = set()
        self._to_settle: set[str] = set()
        self._changed = asyncio.Event()
        self._tried = asyncio.Event()
        self._heard_at = 0.0
        self.connected = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Connected while the context is open, again and again if need be. Opens also when Redis does not answer."""
        async with running_in_background(repeat_with_backoff(self._link, self._connect_and_listen)):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._tried.wait()
            yield

    def join(self, channel: str, listener: ChannelListener) -> None:
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._confirmed:
            listener.on_subscribed()
        else:
            self._settle(channel)

    def leave(self, channel: str, listener: ChannelListener) -> None:
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._settle(channel)

    def _settle(self, channel: str) -> None:
        self._to_settle.add(channel)
        self._changed.set()

    async def _connect_and_listen(self) -> None:
        """One connection's life. Ends by raising."""
        try:
            async with self._link.connection() as connection:
                await connection.send_command("SUBSCRIBE", CONTROL_CHANNEL)
                self._heard_at = asyncio.get_running_loop().time()
                self._to_settle.update(self._listeners)
                self._changed.set()
                await run_until_one_ends(self._listen(connection), self._ask(connection), self._feel_pulse(connection))
        finally:
            self._tried.set()
            self._disconnect()

    async def _listen(self, connection: Connection) -> None:
        """Read without redis-py's PubSub, which costs several times as much for each message."""
        clock = asyncio.get_running_loop().time
        while True:
            kind, *message = await connection.read_response(timeout=math.inf)
            self._heard_at = clock()
            if kind == b"message":
                channel, data = message
                for listener in tuple(self._listeners.get(channel.decode(), ())):
                    listener.on_message(data)
            elif kind == b"subscribe":
                self._confirm(message[0].decode())

    def _confirm(self, channel: str) -> None:
        if channel == CONTROL_CHANNEL:
            self.connected = True
            self._link.answered()
            self._tried.set()
        elif channel in self._listeners:
            # Also when it was confirmed: the channel may have been left and joined again meanwhile.
            self._confirmed.add(channel)
            for listener in tuple(self._listeners[channel]):
                listener.on_subscribed()

    async def _ask(self, connection: Connection) -> None:
        """Bring the server's subscriptions to what the listeners want, all changes of a moment in one command."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            channels, self._to_settle = self._to_settle, set()
            wanted = {channel for channel in channels if channel in self._listeners}
            new, unwanted = wanted - self._asked, (channels - wanted) & self._asked
            self._asked = (self._asked | new) - unwanted
            self._confirmed -= unwanted
            if new:
                await connection.send_command("SUBSCRIBE", *new)
            if unwanted:
                await connection.send_command("UNSUBSCRIBE", *unwanted)

    async def _feel_pulse(self, connection: Connection) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await connection.send_command("PING")
            await asyncio.sleep(self._pulse)
            if clock() - self._heard_at > 2 * self._pulse:
                raise RedisConnectionError("The pub/sub connection went silent.")

    def _disconnect(self) -> None:
        self.connected = False
        self._asked.clear()
        self._confirmed.clear()
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                listener.on_disconnect()
