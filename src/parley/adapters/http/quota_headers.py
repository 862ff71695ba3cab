"""The daily quota as headers (draft-ietf-httpapi-ratelimit-headers)."""

from datetime import datetime
from math import ceil

from parley.core.chat.model import Allowance

WINDOW_SECONDS = 86_400


def quota_headers(allowance: Allowance, now: datetime) -> dict[str, str]:
    """The headers of an allowance; none for a plan without a limit."""
    if allowance.limit is None:
        return {}
    return {
        "RateLimit-Policy": f'"daily";q={allowance.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"daily";r={allowance.remaining};t={seconds_until(allowance, now)}',
    }


def seconds_until(allowance: Allowance, now: datetime) -> int:
    """Whole seconds until the quota resets, at least 1."""
    return max(1, ceil((allowance.resets_at - now).total_seconds()))
