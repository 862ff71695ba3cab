"""Reply streams over Redis: any worker writes them, any process reads them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

from parley.adapters.redis.client.background import (
    BACKGROUND_WAIT_SECONDS,
    repeat_with_backoff,
    running_in_background,
)
from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.pubsub import PubSub
from parley.adapters.redis.reply_stream.encoding import Entries, chunk_item, end_item, key_of, read_entries
from parley.adapters.redis.reply_stream.send_buffer import SendBuffer
from parley.adapters.redis.reply_stream.subscription import RedisSubscription
from parley.core.chat.model import Chunk, join_chunks
from parley.core.chat.parts import Part
from parley.core.chat.ports import StreamSubscription

MAX_BACKLOGS = 100


class RedisReplyStream:
    """Sends chunks and fetches backlogs in the background, while `running`. All adapters of a process share `pubsub`.

    The backlog of a subscription is what the reply's stream held when its channel was confirmed.
    """

    def __init__(self, client: RedisClient, pubsub: PubSub) -> None:
        self._client = client
        self._pubsub = pubsub
        self._send_buffer = SendBuffer(client)
        self._subscriptions: set[RedisSubscription] = set()
        # A dict, since it has an order: first come, first served.
        self._without_backlog: dict[RedisSubscription, None] = {}
        self._backlog_requested = asyncio.Event()
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of chunks and ends that are not in Redis yet."""
        return self._send_buffer.waiting

    @property
    def interrupted(self) -> bool:
        return self._client.outage.lasts

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Waits at the end, up to BACKGROUND_WAIT_SECONDS, until everything appended is in Redis."""
        async with running_in_background(
            repeat_with_backoff(self._client, self._send_buffer.send_batch),
            repeat_with_backoff(self._client, self._fetch_backlogs),
        ):
            try:
                yield
            finally:
                await self._send_buffer.wait_until_empty(within=BACKGROUND_WAIT_SECONDS)

    async def append(self, reply_id: UUID, chunk: Chunk) -> None:
        self._send_buffer.put(chunk_item(self._key(reply_id), chunk))

    async def end(self, reply_id: UUID) -> None:
        self._send_buffer.put(end_item(self._key(reply_id)))

    @asynccontextmanager
    async def follow(self, reply_id: UUID) -> AsyncGenerator[StreamSubscription, None]:
        # Chunks that this process appended earlier belong into the backlog.
        await self._send_buffer.wait_until_empty(within=BACKGROUND_WAIT_SECONDS)
        subscription = RedisSubscription(reply_id, request_backlog=self._request_backlog)
        self._subscriptions.add(subscription)
        self._pubsub.subscribe(self._key(reply_id), subscription)
        try:
            if self._closed:
                subscription.close()
            elif not self._pubsub.connected or not await subscription.wait_for_backlog(within=BACKGROUND_WAIT_SECONDS):
                # Marks a gap: the reader would miss an end between its look at the database and the subscription.
                subscription.on_disconnect()
            yield subscription
        finally:
            # Without an await, since the reader may have been cancelled.
            self._pubsub.unsubscribe(self._key(reply_id), subscription)
            self._subscriptions.discard(subscription)
            self._without_backlog.pop(subscription, None)
            subscription.release()

    async def parts_so_far(self, reply_id: UUID) -> tuple[Part, ...]:
        await self._send_buffer.wait_until_empty(within=BACKGROUND_WAIT_SECONDS)
        entries: Entries = []
        with self._client.best_effort():
            entries = await self._entries(reply_id)
        return join_chunks(read_entries(entries))

    def close(self) -> None:
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()

    async def _entries(self, reply_id: UUID) -> Entries:
        """What the reply's stream holds. Raises RedisError."""
        return cast("Entries", await self._client.execute("XRANGE", self._key(reply_id), "-", "+"))

    def _key(self, reply_id: UUID) -> str:
        return self._client.name(key_of(reply_id))

    def _request_backlog(self, subscription: RedisSubscription) -> None:
        self._without_backlog[subscription] = None
        self._backlog_requested.set()

    async def _fetch_backlogs(self) -> None:
        """Wait for requests and answer up to MAX_BACKLOGS of them. After a RedisError the requests remain."""
        await self._backlog_requested.wait()
        subscriptions = list(self._without_backlog)[:MAX_BACKLOGS]
        for subscription in subscriptions:
            del self._without_backlog[subscription]
        try:
            # One trip for all of them.
            found = await asyncio.gather(*(self._entries(each.reply_id) for each in subscriptions))
        except BaseException:
            self._without_backlog.update((each, None) for each in subscriptions if each in self._subscriptions)
            raise
        for subscription, entries in zip(subscriptions, found, strict=True):
            # A subscription that has asked again missed messages meanwhile: it waits for the next answer.
            if subscription not in self._without_backlog:
                subscription.catch_up(read_entries(entries))
        if not self._without_backlog:
            self._backlog_requested.clear()
