"""One-time codes by text message, over the webhook of whatever gateway sends those."""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2

from parley.core.accounts.model import Identity, IdentityKind, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable

_NAMES = {Purpose.SIGN_IN: "sign-in code", Purpose.RESET: "password reset code"}
_PORTS = {"http": 80, "https": 443}
_TRANSIENT = frozenset({408, 429})


class SmsWebhookOtp:
    """The `OtpSender` for mobile numbers: one POST of `{"to": …, "text": …}` for each code; 2xx says that it was sent.

    `token` goes along as a bearer token unless it is empty. Sending or checking takes at most `seconds`. Raises
    ValueError for a `url` that is not one of http or https.
    """

    def __init__(self, url: str, token: str, seconds: float = 10.0, tls_context: ssl.SSLContext | None = None) -> None:
        self._url = _address(url)
        self._seconds = seconds
        self._tls_context = tls_context or httpx2.create_ssl_context()
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            verify=self._tls_context,
            follow_redirects=False,
            # The one deadline is `seconds`.
            timeout=None,
        )
        # The client logs the address of each request, in which gateways like to have their keys.
        logging.getLogger("httpx2").addFilter(self._may_be_logged)

    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        if identity.kind is not IdentityKind.MOBILE_NUMBER:
            raise SenderRefused("Text messages reach mobile numbers alone.")
        message = {"to": identity.value, "text": _text(code, purpose, minutes)}
        # The status says it all: a body that is never read cannot break off and have the message sent again.
        async with self._translated_errors(), self._client.stream("POST", self._url, json=message) as response:
            status = response.status_code
        if not httpx2.codes.is_success(status):
            raise _by_status(status)

    async def check(self) -> None:
        """Connect to the gateway, with TLS where the address says so, and ask nothing. Raises SenderUnavailable."""
        secure = self._url.scheme == "https"
        port = self._url.port or _PORTS[self._url.scheme]
        async with self._translated_errors():
            _, writer = await asyncio.open_connection(self._url.host, port, ssl=self._tls_context if secure else None)
            writer.transport.abort()

    async def close(self) -> None:
        """Close the connections to the gateway. Nothing can be sent any more."""
        await self._client.aclose()
        logging.getLogger("httpx2").removeFilter(self._may_be_logged)

    def _may_be_logged(self, record: logging.LogRecord) -> bool:
        return str(self._url) not in record.getMessage()

    @asynccontextmanager
    async def _translated_errors(self) -> AsyncGenerator[None, None]:
        """The body, with its deadline, in our errors."""
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            raise SenderUnavailable("The SMS gateway did not answer in time.") from error
        except (httpx2.RequestError, OSError) as error:
            raise SenderUnavailable("The connection to the SMS gateway failed.") from error


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        # Without its cause, which quotes the address.
        raise ValueError("SMS_WEBHOOK_URL: is not a URL.") from None
    if address.scheme not in _PORTS or not address.host:
        raise ValueError("SMS_WEBHOOK_URL: must begin with https:// or http:// and name a host.")
    return address


def _text(code: str, purpose: Purpose, minutes: int) -> str:
    life = f"{minutes} minute" if minutes == 1 else f"{minutes} minutes"
    return f"{code} is your {_NAMES[purpose]}. It works once, for {life}. Never share it."


def _by_status(status: int) -> SenderFailed:
    said = f"The SMS gateway answered with status {status}."
    if status in _TRANSIENT or status >= 500:  # noqa: PLR2004 - the server errors of HTTP
        return SenderUnavailable(said)
    return SenderRefused(said)
