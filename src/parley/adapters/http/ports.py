"""What the HTTP adapter needs: the ports of the core's modules, and its own settings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from litestar.di import NamedDependency

from parley.core.accounts import AccountsPorts
from parley.core.billing import BillingPorts
from parley.core.chat import ChatPorts
from parley.core.ports import RateLimiter


class RequestMeter(Protocol):
    """Counts requests for operators. Raises nothing."""

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """An answer began. `route` is the template; without `seconds` the time is not worth counting."""

    def refused(self, code: str) -> None:
        """The answer is the problem of that code."""

    def stream_opened(self) -> None: ...

    def stream_closed(self) -> None:
        """A stream that was opened has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpPorts:
    """`sandbox_billing` processes events at once: whoever paid in the sandbox comes back to a changed plan.

    `public_url` is empty where answers name paths without a host. `scrape` makes what Prometheus reads, for everybody
    without a `metrics_token`. `webhook_open` says that events may come from outside.
    """

    accounts: AccountsPorts
    billing: BillingPorts
    chat: ChatPorts
    sandbox_billing: BillingPorts
    rate_limiter: RateLimiter
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]]
    public_url: str
    frontend_url: str
    meter: RequestMeter
    scrape: Callable[[], Awaitable[bytes]]
    metrics_token: str
    auth_requests_per_minute: int
    webhook_open: bool


# How a handler asks for them.
Ports = NamedDependency[HttpPorts]
