"""Whether what a process depends on can be used now."""

from asyncio import gather, timeout
from collections.abc import Awaitable, Callable, Mapping

# Shorter than the usual timeout of a probe, so that the probe learns what is down.
CHECK_SECONDS = 2.0

Checks = Mapping[str, Callable[[], Awaitable[bool]]]


async def what_is_down(checks: Checks) -> list[str]:
    """The names of the checks that are false, or have no answer within CHECK_SECONDS; in their order."""
    answers = await gather(*(_in_time(check) for check in checks.values()))
    return [name for name, answer in zip(checks, answers, strict=True) if not answer]


async def _in_time(check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        async with timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return False
