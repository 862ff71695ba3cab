"""The room-list cache that all API processes share."""

import secrets
from asyncio import Event
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count, repeat
from typing import cast
from uuid import UUID

from redis.exceptions import RedisError

from parley.adapters.redis.client.connection import RedisClient, repeat_with_backoff, running_in_background
from parley.core.chat.ports import CachedPage, CacheMiss

# A hash for each account: its generation, and of each size of page the body, the ETag and the end of its life, in
# microseconds of the server's clock. Dropping removes the hash, and a new one has a new random generation: so not even
# a Redis that was emptied meanwhile takes an old page for a new one.
LOOK_UP = """
local limit = ARGV[1]
local found = redis.call('HMGET', KEYS[1], 'generation', limit .. ':until', limit .. ':etag', limit .. ':body')
local time = redis.call('TIME')
if found[2] and time[1] * 1000000 + time[2] < tonumber(found[2]) then
  return {found[1], found[3], found[4]}
end
if not found[1] then
  redis.call('HSET', KEYS[1], 'generation', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {ARGV[2]}
end
return {found[1]}
"""

STORE = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[2] then return 0 end
local limit, time = ARGV[1], redis.call('TIME')
local ends = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[3])
redis.call('HSET', KEYS[1], limit .. ':until', ends, limit .. ':etag', ARGV[4], limit .. ':body', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
"""

# How much longer than its pages a generation lives: a page whose reading took longer than this is not stored.
READING_SECONDS = 60.0
UNREACHED = CacheMiss("")


class RedisRoomListCache:
    """Pages live for `seconds`.

    Redis that does not answer is a cache without pages. A drop that did not reach it is owed: it is tried, while
    `running`, until it succeeds, and until then this process does not look up the account's pages.
    """

    def __init__(self, link: RedisClient, *, seconds: float) -> None:
        self._link = link
        self._seconds = seconds
        self._generations = map("{}-{}".format, repeat(secrets.token_hex(16)), count())
        self._owed: dict[UUID, object] = {}
        self._indebted = Event()

    @property
    def owing(self) -> bool:
        """Whether a drop has not reached Redis yet."""
        return bool(self._owed)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        async with running_in_background(repeat_with_backoff(self._link, self._drop_owed)):
            yield

    async def look_up(self, account_id: UUID, *, limit: int) -> CachedPage | CacheMiss:
        if account_id in self._owed:
            return UNREACHED
        found: list[bytes] = []
        with self._link.best_effort():
            answer = await self._link.execute(
                "EVAL", LOOK_UP, 1, _key(account_id), limit, self._new_generation(), self._life_of_generation()
            )
            found = cast("list[bytes]", answer)
        if not found or account_id in self._owed:
            return UNREACHED
        if len(found) == 1:
            return CacheMiss(found[0].decode())
        _, etag, body = found
        return CachedPage(body, etag.decode())

    async def store(self, account_id: UUID, page: CachedPage, *, limit: int, missed: CacheMiss) -> None:
        if missed == UNREACHED or account_id in self._owed:
            return
        life = round(self._seconds * 1_000_000)
        with self._link.best_effort():
            await self._link.execute(
                "EVAL", STORE, 1, _key(account_id), limit, missed.generation, life, page.etag, page.body,
                self._life_of_generation(),
            )  # fmt: skip

    async def drop(self, account_id: UUID) -> None:
        if account_id in self._owed:
            # Silent Redis takes its time to fail: once for an account is enough.
            self._owe(account_id)
            return
        try:
            await self._link.execute("DEL", _key(account_id))
        except RedisError as error:
            self._link.failed(error)
            self._owe(account_id)
        except BaseException:
            # Cancelled: whoever wrote went away, but what was written stays.
            self._owe(account_id)
            raise

    def _owe(self, account_id: UUID) -> None:
        self._owed[account_id] = object()
        self._indebted.set()

    async def _drop_owed(self) -> None:
        """Wait until drops are owed, and try them. Raises RedisError."""
        await self._indebted.wait()
        for account_id, debt in tuple(self._owed.items()):
            # Not behind commands that wait for a lost answer.
            await self._link.commands.delete(_key(account_id))
            # A write that came meanwhile may not have been there yet when this was dropped.
            if self._owed[account_id] is debt:
                del self._owed[account_id]
        if not self._owed:
            self._indebted.clear()

    def _new_generation(self) -> str:
        """One that no process ever made."""
        return next(self._generations)

    def _life_of_generation(self) -> int:
        return round((self._seconds + READING_SECONDS) * 1_000)


def _key(account_id: UUID) -> str:
    return f"parley:rooms:{account_id}"
