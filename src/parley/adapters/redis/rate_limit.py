"""A rate limiter that any number of processes share."""

from parley.adapters.redis.client.connection import RedisClient

# A script runs atomically and uses the server's clock, so the count is exact whatever the processes' clocks say.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, per = tonumber(ARGV[1]), tonumber(ARGV[2])
while true do
  local first = redis.call('LINDEX', KEYS[1], 0)
  if not first or first + per > now then break end
  redis.call('LPOP', KEYS[1])
end
if redis.call('LLEN', KEYS[1]) >= limit then
  return redis.call('LINDEX', KEYS[1], -limit) + per - now
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(per / 1000))
return 0
"""

MICROSECONDS = 1_000_000


class RedisRateLimiter:
    """A sliding log of at most `limit` times a key, which expires with the last of them.

    Raises Unavailable when Redis does not answer; the use may have been counted then.
    """

    def __init__(self, client: RedisClient, *, prefix: str = "parley:throttle:") -> None:
        self._client = client
        self._prefix = prefix
        self._take = client.commands.register_script(TAKE)

    async def take(self, key: str, *, limit: int, per: float) -> float:
        with self._client.required():
            wait: int = await self._take(keys=[self._prefix + key], args=[limit, round(per * MICROSECONDS)])
        return wait / MICROSECONDS
