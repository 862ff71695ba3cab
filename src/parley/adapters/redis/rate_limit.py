"""A rate limiter that any number of processes share."""

from collections.abc import Sequence

from parley.adapters.redis.client.connection import RedisClient
from parley.core.ports import LimitedUse

# A script runs atomically and uses the server's clock, so the count is exact even if the processes' clocks differ.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for index, key in ipairs(KEYS) do
  local limit, per = tonumber(ARGV[2 * index - 1]), tonumber(ARGV[2 * index])
  while true do
    local first = redis.call('LINDEX', key, 0)
    if not first or first + per > now then break end
    redis.call('LPOP', key)
  end
  if redis.call('LLEN', key) >= limit then
    wait = math.max(wait, redis.call('LINDEX', key, -limit) + per - now)
  end
end
if wait > 0 then return wait end
for index, key in ipairs(KEYS) do
  redis.call('RPUSH', key, string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil(ARGV[2 * index] / 1000))
end
return 0
"""

# All keys of one call of TAKE get the same time.
GIVE_BACK_ALL = """
for _, use in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  for index = 2, #KEYS do redis.call('LREM', KEYS[index], 1, use) end
end
redis.call('DEL', KEYS[1])
"""

MICROSECONDS = 1_000_000


class RedisRateLimiter:
    """A log of the last `limit` timestamps of each key, which expires with the last of them.

    Raises Unavailable when Redis does not answer; the uses may have been counted then.
    """

    def __init__(self, client: RedisClient, *, prefix: str = "parley:throttle:") -> None:
        self._client = client
        self._prefix = client.name(prefix)
        self._take = client.commands.register_script(TAKE)
        self._give_back_all = client.commands.register_script(GIVE_BACK_ALL)

    async def take(self, key: str, *, limit: int, per: float) -> float:
        return await self.take_all(LimitedUse(key, limit, per))

    async def take_all(self, *uses: LimitedUse) -> float:
        arguments = [number for use in uses for number in (use.limit, round(use.per * MICROSECONDS))]
        with self._client.required():
            wait: int = await self._take(keys=[self._prefix + use.key for use in uses], args=arguments)
        return wait / MICROSECONDS

    async def give_back_all(self, key: str, *, also: Sequence[str]) -> None:
        with self._client.required():
            await self._give_back_all(keys=[self._prefix + each for each in (key, *also)])

    async def give_back(self, keys: Sequence[str]) -> None:
        with self._client.required():
            for key in keys:
                await self._client.commands.rpop(self._prefix + key)
