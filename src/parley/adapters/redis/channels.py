"""One pub/sub connection for everything that a process listens to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Protocol

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from parley.adapters.redis.connection import (
    PATIENCE_SECONDS,
    RedisLink,
    again_and_again,
    in_background,
    until_one_fails,
)

# Subscribed before anything else: PubSub opens a connection for each of several first subscriptions made at once, and
# reads only one of them.
CONTROL_CHANNEL = "parley:control"
PULSE_SECONDS = 5.0


class Listener(Protocol):
    """What a channel tells, in the order of the wire. Called on the reading task: must be quick and not raise."""

    def joined(self) -> None:
        """Whatever is published from now on will be heard. Comes again after each `cut_off`, and may repeat."""

    def heard(self, data: bytes) -> None: ...

    def cut_off(self) -> None:
        """The connection was lost; what is published until the next `joined` is lost here."""


class Channels:
    """Each channel is subscribed while it has listeners. Joining and leaving never wait."""

    def __init__(self, link: RedisLink, *, pulse: float = PULSE_SECONDS) -> None:
        """A connection that died without a word is noticed after two to three `pulse` seconds."""
        self._link = link
        self._pulse = pulse
        self._listeners: dict[str, set[Listener]] = {}
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
        async with in_background(again_and_again(self._link, self._connect_and_listen)):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._tried.wait()
            yield

    def join(self, channel: str, listener: Listener) -> None:
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._confirmed:
            listener.joined()
        else:
            self._settle(channel)

    def leave(self, channel: str, listener: Listener) -> None:
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
            async with aclosing(self._link.commands.pubsub()) as pubsub:
                await pubsub.subscribe(CONTROL_CHANNEL)
                self._heard_at = asyncio.get_running_loop().time()
                self._to_settle.update(self._listeners)
                self._changed.set()
                await until_one_fails(self._listen(pubsub), self._ask(pubsub), self._feel_pulse(pubsub))
        finally:
            self._tried.set()
            self._cut_off()

    async def _listen(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=None)
            self._heard_at = asyncio.get_running_loop().time()
            if message is None or message["channel"] is None:
                continue
            channel = message["channel"].decode()
            if message["type"] == "message":
                for listener in tuple(self._listeners.get(channel, ())):
                    listener.heard(message["data"])
            elif message["type"] == "subscribe":
                self._confirm(channel)

    def _confirm(self, channel: str) -> None:
        if channel == CONTROL_CHANNEL:
            self.connected = True
            self._link.answered()
            self._tried.set()
        elif channel in self._listeners:
            # Also when it was confirmed: the channel may have been left and joined again meanwhile.
            self._confirmed.add(channel)
            for listener in tuple(self._listeners[channel]):
                listener.joined()

    async def _ask(self, pubsub: PubSub) -> None:
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
                await pubsub.subscribe(*new)
            if unwanted:
                await pubsub.unsubscribe(*unwanted)

    async def _feel_pulse(self, pubsub: PubSub) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await pubsub.ping()
            await asyncio.sleep(self._pulse)
            if clock() - self._heard_at > 2 * self._pulse:
                raise RedisConnectionError("The pub/sub connection went silent.")

    def _cut_off(self) -> None:
        self.connected = False
        self._asked.clear()
        self._confirmed.clear()
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                listener.cut_off()
