"""Whether what a process depends on can be used now."""

from asyncio import gather, timeout
from collections.abc import Mapping
from typing import Protocol

# Shorter than the usual timeout of a probe, so that the probe learns what is down.
CHECK_SECONDS = 2.0


class Check(Protocol):
    async def __call__(self) -> bool | str:
        """Whether a dependency can be used; or, where that is known, one sentence that says why it cannot."""


Checks = Mapping[str, Check]


async def what_is_down(checks: Checks) -> dict[str, str]:
    """The names of the checks that fail, or have no answer within CHECK_SECONDS, in their order.

    Each with its cause, which is empty where it is not known.
    """
    answers = await gather(*(_in_time(check) for check in checks.values()))
    failed = {name: answer for name, answer in zip(checks, answers, strict=True) if answer is not True}
    return {name: answer if isinstance(answer, str) else "" for name, answer in failed.items()}


def known_causes(down: Mapping[str, str]) -> dict[str, str]:
    return {name: cause for name, cause in down.items() if cause}


async def _in_time(check: Check) -> bool | str:
    try:
        async with timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return False
