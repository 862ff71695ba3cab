"""A throttle for any number of processes."""

from parley.adapters.redis.client.connection import RedisClient

# One script is one step for Redis, and the time is the server's: exact over all processes and their clocks.
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
    """A sliding log of at most `limit` times a key, which is gone when they stop to count.

    Raises Unavailable when Redis does not answer; the use may then have been counted.
    """

    def __init__(self, link: RedisClient, *, prefix: str = "parley:throttle:") -> None:
        self._link = link
        self._prefix = prefix
        self._take = link.commands.register_script(TAKE)

    async def take(self, key: str, *, limit: int, per: float) -> float:
        with self._link.required():
            wait: int = await self._take(keys=[self._prefix + key], args=[limit, round(per * MICROSECONDS)])
        return wait / MICROSECONDS
