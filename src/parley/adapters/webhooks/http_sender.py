"""Sending an event to an endpoint by HTTP."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

import httpx2
from anyio import EndOfStream

from parley.adapters.webhooks.signature import secret_key, signed_headers
from parley.core.webhooks.ports import LONGEST_SECONDS, EndpointFailed

_LONGEST_HOST = 60
# An answer is read this far, so that the connection can be used again.
_LONGEST_ANSWER = 16_384
_GONE = 410


class HttpWebhookSender:
    """The `WebhookSender`: one POST for each attempt, which follows no redirect and ends within `seconds`.

    Only 2xx means that the event was taken. `secrets` all sign. The URL is the operator's, so it may lead into a
    private network. Raises ValueError for a URL that is not http or https, and for a secret of another form.
    """

    def __init__(self, url: str, secrets: Sequence[str], *, seconds: float = LONGEST_SECONDS) -> None:
        self._url = _address(url)
        self._keys = [_key(secret) for secret in secrets]
        self._seconds = seconds
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": "parley-webhooks", "Content-Type": "application/json"},
            follow_redirects=False,
            # `seconds` is the only deadline.
            timeout=None,
        )
        # The client logs the URL of each request, and some contain a key.
        logging.getLogger("httpx2").addFilter(self._may_be_logged)

    @property
    def name(self) -> str:
        """The host and a part of the URL's hash: what is stored and shown instead of a URL with a key in it."""
        return f"{self._url.host[:_LONGEST_HOST]}-{hashlib.sha256(str(self._url).encode()).hexdigest()[:8]}"

    async def send(self, event_id: UUID, body: bytes, *, at: datetime) -> None:
        headers = signed_headers(event_id, body, seconds=int(at.timestamp()), keys=self._keys)
        response = await self._request("POST", content=body, headers=headers)
        if not response.is_success:
            retry_after = _retry_after(response.headers.get("retry-after", ""), at)
            message = f"The endpoint answered with status {response.status_code}."
            raise EndpointFailed(message, retry_after=retry_after, is_gone=response.status_code == _GONE)

    async def check(self) -> str:
        """By HEAD, which has no effect at any server; any answer will do, as many know nothing but POST."""
        response = await self._request("HEAD")
        return f"answers HEAD with status {response.status_code}"

    async def close(self) -> None:
        await self._client.aclose()
        logging.getLogger("httpx2").removeFilter(self._may_be_logged)

    async def _request(
        self, method: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        try:
            async with asyncio.timeout(self._seconds):
                async with self._client.stream(method, self._url, content=content, headers=headers) as response:
                    if response.is_success:
                        await _read_to_end(response)
                    return response
        except TimeoutError as error:
            raise EndpointFailed("The endpoint did not answer in time.") from error
        # httpx2 lets EndOfStream through when a TLS connection is cut.
        except (httpx2.RequestError, EndOfStream, OSError) as error:
            raise EndpointFailed(f"The connection to the endpoint failed: {type(error).__name__}.") from error

    def _may_be_logged(self, record: logging.LogRecord) -> bool:
        return str(self._url) not in record.getMessage()


async def _read_to_end(response: httpx2.Response) -> None:
    """An answer that breaks off, or does not end, is one: its status says that the event was taken."""
    length = 0
    try:
        async for part in response.aiter_raw():
            length += len(part)
            if length > _LONGEST_ANSWER:
                break
    except (httpx2.RequestError, EndOfStream, OSError):
        pass


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        # Without the cause, which quotes the URL.
        raise ValueError("WEBHOOK_URL: is not a URL.") from None
    if address.scheme not in {"http", "https"} or not address.host:
        raise ValueError("WEBHOOK_URL: each must begin with https:// or http:// and name a host.")
    return address


def _key(secret: str) -> bytes:
    try:
        return secret_key(secret)
    except ValueError as error:
        raise ValueError(
            f"WEBHOOK_SECRET: {error}. This makes one: python -c 'import base64, secrets; "
            'print("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())\''
        ) from error


def _retry_after(value: str, now: datetime) -> float | None:
    """The seconds that the header asks for, as a number or as a date (RFC 9110, 10.2.3); None without a valid one."""
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
