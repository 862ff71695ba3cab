"""One-time codes by SMS, sent through the webhook of an SMS gateway."""

import asyncio
import logging
import ssl
from contextlib import AbstractAsyncContextManager

import httpx2

from parley.adapters.otp.deadline import delivery_deadline
from parley.adapters.otp.texts import sms_notice, sms_text
from parley.core.accounts.model import Identity, IdentityKind, Notice, Purpose
from parley.core.accounts.ports import SenderFailed, SenderRefused, SenderUnavailable

_PORTS = {"http": 80, "https": 443}
_TRANSIENT = frozenset({408, 429})


class SmsWebhookOtp:
    """The `OtpSender` for mobile numbers: one POST of `{"to": …, "text": …}` for each code; 2xx means that it was sent.

    `token`, unless empty, is sent as a bearer token. Sending or checking takes at most `seconds`. Raises ValueError for
    a `url` that is not http or https.
    """

    def __init__(self, url: str, token: str, seconds: float = 10.0, tls_context: ssl.SSLContext | None = None) -> None:
        self._url = _address(url)
        self._seconds = seconds
        self._tls_context = tls_context or httpx2.create_ssl_context()
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            verify=self._tls_context,
            follow_redirects=False,
            # `seconds` is the only deadline.
            timeout=None,
        )
        # The client logs the URL of each request, and the URLs of some gateways contain a key.
        logging.getLogger("httpx2").addFilter(self._may_be_logged)

    async def send(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        await self._post(identity, sms_text(code, purpose, minutes))

    async def rehearse(self, identity: Identity, code: str, purpose: Purpose, *, minutes: int) -> None:
        """Only the connection: a gateway knows no request that sends nothing."""
        del code, purpose, minutes
        _require_mobile_number(identity)
        await self.check()

    async def send_notice(self, identity: Identity, notice: Notice) -> None:
        await self._post(identity, sms_notice(notice))

    async def _post(self, identity: Identity, text: str) -> None:
        _require_mobile_number(identity)
        message = {"to": identity.value, "text": text}
        # Only the status is read: a body that breaks off must not cause the message to be sent again.
        async with self._deadline(), self._client.stream("POST", self._url, json=message) as response:
            status = response.status_code
        if not httpx2.codes.is_success(status):
            raise _by_status(status)

    async def check(self) -> None:
        """Connect to the gateway, with TLS for https, and send no request. Raises SenderUnavailable."""
        secure = self._url.scheme == "https"
        port = self._url.port or _PORTS[self._url.scheme]
        async with self._deadline():
            _, writer = await asyncio.open_connection(self._url.host, port, ssl=self._tls_context if secure else None)
            writer.transport.abort()

    async def close(self) -> None:
        """Close the connections to the gateway; nothing can be sent after that."""
        await self._client.aclose()
        logging.getLogger("httpx2").removeFilter(self._may_be_logged)

    def _may_be_logged(self, record: logging.LogRecord) -> bool:
        return str(self._url) not in record.getMessage()

    def _deadline(self) -> AbstractAsyncContextManager[None]:
        return delivery_deadline(self._seconds, "SMS gateway", httpx2.RequestError)


def _require_mobile_number(identity: Identity) -> None:
    if identity.kind is not IdentityKind.MOBILE_NUMBER:
        raise SenderRefused("An SMS can only be sent to mobile numbers.")


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        # Without the cause, which quotes the URL.
        raise ValueError("SMS_WEBHOOK_URL: is not a URL.") from None
    if address.scheme not in _PORTS or not address.host:
        raise ValueError("SMS_WEBHOOK_URL: must begin with https:// or http:// and name a host.")
    return address


def _by_status(status: int) -> SenderFailed:
    message = f"The SMS gateway answered with status {status}."
    if status in _TRANSIENT or status >= 500:  # noqa: PLR2004 - the server errors of HTTP
        return SenderUnavailable(message)
    return SenderRefused(message)
