"""The quota as headers (draft-ietf-httpapi-ratelimit-headers): one policy for messages, and two for tokens."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from math import ceil

from parley.adapters.http.openapi.operation import header
from parley.core.chat.allowance import Allowance

WINDOW_SECONDS = 86_400
_NAMES = '"(daily|tokens-daily|tokens-monthly)"'
QUOTA_HEADERS = {
    "RateLimit-Policy": header(
        "On a plan with such limits: the number of messages per UTC day, and of tokens per UTC day and calendar month",
        '"daily";q=5;w=86400, "tokens-daily";q=100000;w=86400',
        f"{_NAMES};q=[0-9]+;w=[0-9]+(, {_NAMES};q=[0-9]+;w=[0-9]+)*",
        always=False,
    ),
    "RateLimit": header(
        "What is left of each, and the seconds until it resets; unfinished replies reserve tokens",
        '"daily";r=4;t=3600, "tokens-daily";r=98500;t=3600',
        f"{_NAMES};r=[0-9]+;t=[0-9]+(, {_NAMES};r=[0-9]+;t=[0-9]+)*",
        always=False,
    ),
}


def quota_headers(allowance: Allowance, now: datetime) -> dict[str, str]:
    """Empty for a plan without a limit."""
    policies = list(_policies(allowance))
    if not policies:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{name}";q={limit};w={window}' for name, limit, window, _, _ in policies),
        "RateLimit": ", ".join(
            f'"{name}";r={left};t={seconds_until(resets_at, now)}' for name, _, _, left, resets_at in policies
        ),
    }


def _policies(allowance: Allowance) -> Iterator[tuple[str, int, int, int | None, datetime]]:
    """Name, limit, window in seconds, what is left, and when it resets."""
    if allowance.limit is not None:
        yield "daily", allowance.limit, WINDOW_SECONDS, allowance.remaining, allowance.resets_at
    for each in allowance.tokens:
        if each.limit is not None:
            window = each.resets_at - datetime.combine(each.begins_on, time.min, UTC)
            yield each.policy, each.limit, int(window.total_seconds()), each.remaining, each.resets_at


def seconds_until(moment: datetime, now: datetime) -> int:
    """At least 1."""
    return max(1, ceil((moment - now).total_seconds()))
