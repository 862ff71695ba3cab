"""The room-list cache that all API processes share."""

import secrets
from asyncio import Event, gather
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from itertools import count, repeat
from typing import cast
from uuid import UUID

from redis.exceptions import RedisError

from parley.adapters.redis.client.background import repeat_with_backoff, running_in_background
from parley.adapters.redis.client.connection import RedisClient
from parley.core.chat.ports import CachedPage, CacheMiss

# A hash for each account: its generation and, for each page size, the ETag, a line feed and the body. A look-up that
# finds its page is one HGET. Dropping removes the hash. The next hash has a new random generation, so that even a Redis
# that was emptied refuses a page that was read before the drop. The first page that is stored sets the expiry of the
# hash: a page of another size that is stored later does not live as long.
MISS = """
if redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) == 0 then return redis.call('HGET', KEYS[1], 'generation') end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ARGV[1]
"""

STORE = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[2] then return 0 end
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) == 1 and redis.call('HLEN', KEYS[1]) == 2 then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
"""

# A generation without pages lives this long: a page that took longer to read from the database is not stored.
READING_SECONDS = 60.0
UNREACHABLE = CacheMiss("")


class RedisRoomListCache:
    """Pages live for at most `seconds`. While Redis does not answer, every look-up is a miss.

    A drop that did not reach Redis is pending: it is repeated, while `running`, until it succeeds. Until then this
    process does not look up the account's pages.
    """

    def __init__(self, client: RedisClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        # Unique among all processes and restarts.
        self._generations = map("{}-{}".format, repeat(secrets.token_hex(16)), count())
        # The value identifies the latest drop of the account.
        self._pending_drops: dict[UUID, object] = {}
        self._drop_pending = Event()

    @property
    def has_pending_drops(self) -> bool:
        return bool(self._pending_drops)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        async with running_in_background(repeat_with_backoff(self._client, self._repeat_drops)):
            yield

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss:
        if account_id in self._pending_drops:
            return UNREACHABLE
        found: CachedPage | CacheMiss = UNREACHABLE
        with self._client.best_effort():
            stored = cast("bytes | None", await self._client.execute("HGET", self._key(account_id), limit))
            found = await self._missed(account_id) if stored is None else _page(stored)
        # A drop may have failed in the meantime.
        return UNREACHABLE if account_id in self._pending_drops else found

    async def _missed(self, account_id: UUID) -> CacheMiss:
        answer = await self._client.execute(
            "EVAL", MISS, 1, self._key(account_id), next(self._generations), round(READING_SECONDS * 1_000)
        )
        return CacheMiss(cast("bytes", answer).decode())

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        if missed == UNREACHABLE or account_id in self._pending_drops:
            return
        with self._client.best_effort():
            await self._client.execute(
                "EVAL", STORE, 1, self._key(account_id), limit, missed.generation,
                page.etag.encode() + b"\n" + page.body,
                round(self._seconds * 1_000),
            )  # fmt: skip

    async def drop(self, account_id: UUID, *meanwhile: Awaitable[None]) -> None:
        # Commands that are given in the same iteration of the event loop leave in one batch.
        await gather(self._drop(account_id), *meanwhile)

    async def _drop(self, account_id: UUID) -> None:
        if account_id in self._pending_drops:
            # A silent Redis takes seconds to fail: once for each account is enough.
            self._postpone_drop(account_id)
            return
        try:
            await self._client.execute("DEL", self._key(account_id))
        except RedisError as error:
            self._client.record_failure(error)
            self._postpone_drop(account_id)
        except BaseException:
            # Cancelled because the client went away, but its write is in the database.
            self._postpone_drop(account_id)
            raise

    def _postpone_drop(self, account_id: UUID) -> None:
        self._pending_drops[account_id] = object()
        self._drop_pending.set()

    async def _repeat_drops(self) -> None:
        """Wait for pending drops and repeat them. Raises RedisError."""
        await self._drop_pending.wait()
        for account_id, drop in tuple(self._pending_drops.items()):
            # On a separate connection, not in a batch that may wait for a lost answer.
            await self._client.commands.delete(self._key(account_id))
            # A write that came in the meantime may have been committed after this drop.
            if self._pending_drops[account_id] is drop:
                del self._pending_drops[account_id]
        if not self._pending_drops:
            self._drop_pending.clear()

    def _key(self, account_id: UUID) -> str:
        return self._client.name(f"parley:rooms:{account_id}")


def _page(stored: bytes) -> CachedPage:
    etag, _, body = stored.partition(b"\n")
    return CachedPage(body, etag.decode())
