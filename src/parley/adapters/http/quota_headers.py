"""The daily quota as headers (draft-ietf-httpapi-ratelimit-headers)."""

from datetime import datetime
from math import ceil

from parley.adapters.http.openapi.operation import header
from parley.core.chat.model import Allowance

WINDOW_SECONDS = 86_400
QUOTA_HEADERS = {
    "RateLimit-Policy": header(
        "Basic plan: the number of messages per UTC day",
        '"daily";q=5;w=86400',
        '"daily";q=[0-9]+;w=86400',
        always=False,
    ),
    "RateLimit": header(
        "Basic plan: the messages left today, and the seconds until the quota resets",
        '"daily";r=4;t=3600',
        '"daily";r=[0-9]+;t=[0-9]+',
        always=False,
    ),
}


def quota_headers(allowance: Allowance, now: datetime) -> dict[str, str]:
    """Empty for a plan without a limit."""
    if allowance.limit is None:
        return {}
    return {
        "RateLimit-Policy": f'"daily";q={allowance.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"daily";r={allowance.remaining};t={seconds_until(allowance, now)}',
    }


def seconds_until(allowance: Allowance, now: datetime) -> int:
    """Seconds until the quota resets, at least 1."""
    return max(1, ceil((allowance.resets_at - now).total_seconds()))
