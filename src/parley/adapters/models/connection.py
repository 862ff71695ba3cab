"""The connection to a model server: checked settings, an HTTP client that sends nothing unasked, opened when needed."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from parley.adapters.models.vendor_errors import CAUSE_CHARACTERS, error_of_status
from parley.core.chat.errors import ModelRefused

if TYPE_CHECKING:
    from httpx2 import Request, Response

CONNECT_SECONDS = 10.0

Client = TypeVar("Client")
_VISIBLE_ASCII = re.compile(r"[!-~]+")


def check_connection_settings(*, api_key: str, base_url: str) -> None:
    """Raises ValueError, with a sentence for the operator, for what no request could be sent with."""
    if not _VISIBLE_ASCII.fullmatch(api_key):
        raise ValueError("The API key is empty or has a character that no HTTP header can carry, such as a space.")
    if not _is_http_address(base_url):
        raise ValueError("The base URL is no address that begins with http:// or https://.")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if (path := os.environ.get(name)) and not Path(path).exists():
            raise ValueError(f"{name} names {path!r}, which does not exist.")
    if (proxy_of(base_url) or "").startswith("socks"):
        raise ValueError("The environment names a SOCKS proxy for the base URL; only HTTP proxies are supported.")


def proxy_of(base_url: str) -> str | None:
    """The proxy that the environment names for an address."""
    address, proxies = urlsplit(base_url), getproxies()
    return None if proxy_bypass(address.netloc) else proxies.get(address.scheme) or proxies.get("all")


def own_headers(key_header: Mapping[str, str]) -> dict[str, str]:
    """All headers of a request, besides those that its body and its address need."""
    return {
        "accept": "text/event-stream, application/json",
        "accept-encoding": "gzip, deflate",
        "content-type": "application/json",
        "user-agent": "parley",
        **key_header,
    }


def _is_http_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        return False


class OnDemand(Generic[Client]):
    """A client that the first request builds, in a thread: importing an SDK and reading certificates takes long."""

    def __init__(self, label: str, build: Callable[[], Client]) -> None:
        self._label = label
        self._build = build
        self._client: Client | None = None
        self._building = asyncio.Lock()

    async def get(self) -> Client:
        """Raises ModelRefused if the environment does not allow to build it, for example without a certificate file."""
        async with self._building:
            if self._client is None:
                try:
                    self._client = await asyncio.to_thread(self._build)
                except (ImportError, OSError, ValueError) as error:
                    detail = f"The connection to {self._label} cannot be set up."
                    raise ModelRefused("model_setup_failed", detail, cause=str(error)[:CAUSE_CHARACTERS]) from error
            return self._client

    def take(self) -> Client | None:
        """The client if there is one, which is the caller's to close; the next `get` builds another."""
        client, self._client = self._client, None
        return client


def client_options(key_header: Mapping[str, str]) -> dict[str, Any]:
    """Arguments for an SDK's httpx2.AsyncClient: no redirects, our headers and timeouts, errors raised as VendorError.

    An SDK adds headers that it finds in the environment, also for another vendor's server.
    """
    headers = own_headers(key_header)

    async def replace_headers(request: "Request") -> None:
        length = request.headers.get("content-length")
        request.headers.clear()
        request.headers.update({"host": request.url.netloc.decode("ascii"), **headers})
        if length is not None:
            request.headers["content-length"] = length
        # Deadlines are the caller's. A pool without limit, since how many replies run at once is the worker's business.
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}

    hooks: dict[str, list[Callable[[Any], Awaitable[None]]]] = {
        "request": [replace_headers],
        "response": [_raise_for_status],
    }
    return {"follow_redirects": False, "event_hooks": hooks}


async def _raise_for_status(response: "Response") -> None:
    if not response.is_success:
        body = await response.aread()
        raise error_of_status(response.status_code, response.headers, body)
