from hypothesis import given
from hypothesis import strategies as st

from parley.adapters.memory.rate_limit import CLEANUP_SECONDS, MemoryRateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_expired_keys_are_removed():
    clock = Clock()
    rate_limiter = MemoryRateLimiter(clock)
    for number in range(1000):
        await rate_limiter.take(f"key {number}", limit=1, per=10)
    await rate_limiter.take("lasting", limit=1, per=3600)

    clock.now += CLEANUP_SECONDS
    assert await rate_limiter.take("lasting", limit=1, per=3600) == 3600 - CLEANUP_SECONDS

    assert rate_limiter.keys_remembered == 1


@given(steps=st.lists(st.integers(0, 8), max_size=60), limit=st.integers(1, 4), per=st.integers(1, 12))
async def test_no_period_ever_has_more_uses_than_the_limit(steps, limit, per):
    clock = Clock()
    rate_limiter = MemoryRateLimiter(clock)
    uses: list[float] = []
    for step in steps:
        clock.now += step
        inside = [use for use in uses if use > clock.now - per]
        wait = await rate_limiter.take("key", limit=limit, per=per)
        if wait == 0:
            uses.append(clock.now)
        assert (wait == 0) == (len(inside) < limit)
        assert wait == 0 or wait == inside[-limit] + per - clock.now
