"""Dependencies of the HTTP adapter: the ports of the core's modules, and settings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from litestar import Request
from litestar.di import NamedDependency

from parley.core.accounts import AccountsPorts
from parley.core.accounts.request_limit import RequestLimit
from parley.core.billing import BillingPorts
from parley.core.chat import ChatPorts
from parley.core.health import Checks
from parley.core.in_use import InUse
from parley.core.ports import RateLimiter
from parley.core.statistics import Statistics
from parley.core.webhooks import WebhooksPorts


class RequestMeter(Protocol):
    """Counts requests for operators. No method raises an exception."""

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """A response has started, or the client disconnected before (status 0).

        `route` is the path template. `seconds` is the time to the first byte; None leaves it out of the histogram.
        """

    def refused(self, code: str) -> None:
        """The response is a problem with this code."""

    def stream_opened(self) -> None:
        """A stream of events has started."""

    def stream_closed(self) -> None:
        """A stream of events has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpPorts:
    """`sandbox_billing` processes events immediately, so that the plan has changed when a sandbox customer returns.

    If `public_url` is empty, responses contain paths without a host. `scrape` returns the metrics in Prometheus' text
    format; if `metrics_token` is empty, everyone may read them. If `admin_token` is empty, there are no routes for the
    operator. `auth_requests_per_minute` is per client address; 0 is no limit. If `webhook_open` is false, the webhook
    responds with 404; without `docs_served`, the documentation does; without `chat_page_served`, the chat page does.
    With `only_local`, only requests of this machine to itself are answered. While `overloaded()`, no new stream begins.
    `account_requests` are those of one account a minute, `exports` those that are under way.
    """

    accounts: AccountsPorts
    billing: BillingPorts
    chat: ChatPorts
    webhooks: WebhooksPorts
    sandbox_billing: BillingPorts
    statistics: Statistics
    rate_limiter: RateLimiter
    account_requests: RequestLimit
    exports: InUse
    health_checks: Checks
    public_url: str
    frontend_url: str
    meter: RequestMeter
    scrape: Callable[[], Awaitable[bytes]]
    metrics_token: str
    admin_token: str
    auth_requests_per_minute: int
    webhook_open: bool
    overloaded: Callable[[], bool]
    docs_served: bool
    chat_page_served: bool
    only_local: bool

    @property
    def prefix(self) -> str:
        """The path of PUBLIC_URL, under which a proxy may serve all this; without the host, which browsers may know by
        another name.
        """
        return urlsplit(self.public_url).path.rstrip("/")


# The type of a handler's `ports` parameter, which Litestar injects.
Ports = NamedDependency[HttpPorts]


def ports_of(request: Request[Any, Any, Any]) -> HttpPorts:
    """The ports, for the handlers that are called most.

    Injecting them takes Litestar as long as checking the caller's token and counting the request together.
    """
    ports: HttpPorts = request.app.state.ports
    return ports
