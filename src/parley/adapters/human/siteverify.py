"""The human check of Turnstile, and of hCaptcha and reCAPTCHA, which verify tokens in the same way.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import httpx2
import msgspec
import structlog
from anyio import EndOfStream

from parley.core.errors import Unavailable

# What the three say of a token that is wrong, old or used. Any other word is a fault of the operator or theirs.
_WRONG_TOKEN = frozenset(
    {
        "invalid-input-response",
        "missing-input-response",
        "timeout-or-duplicate",
        "expired-input-response",
        "already-seen-response",
        "invalid-or-already-seen-response",
    }
)
_LONGEST_ANSWER = 65_536

log = structlog.get_logger("parley.human_check")


class SiteVerify:
    """The `HumanCheck`: one POST of `secret`, `response` and `remoteip` for each token.

    The answer is JSON: `success`, `hostname` and `error-codes`. A token of a page on another host than `hostnames` does
    not pass; without any, every host does. One call takes at most `seconds`. Raises ValueError for a `url` that is not
    http or https.
    """

    def __init__(self, *, url: str, secret: str, hostnames: Sequence[str] = (), seconds: float = 5.0) -> None:
        try:
            self._url = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise ValueError("HUMAN_CHECK_URL: is not a URL.") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ValueError("HUMAN_CHECK_URL: must begin with https:// or http:// and name a host.")
        self._secret = secret
        self._hostnames = frozenset(name.lower() for name in hostnames)
        self._seconds = seconds
        # `seconds` is the only deadline.
        self._client = httpx2.AsyncClient(follow_redirects=False, timeout=None)

    async def passes(self, token: str, *, address: str) -> bool:
        answer = await self._ask({"response": token} | _remote_ip(address))
        if not answer.success:
            return False
        return not self._hostnames or (answer.hostname or "").lower() in self._hostnames

    async def check(self) -> None:
        await self._ask({"response": "parley check"})

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, fields: dict[str, str]) -> "_Answer":
        """Raises Unavailable unless the server has judged the token."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._post({"secret": self._secret, **fields})
        # httpx2 lets EndOfStream through when a TLS connection is cut.
        except (TimeoutError, httpx2.RequestError, EndOfStream, OSError, msgspec.DecodeError) as error:
            log.warning("human_check_failed", cause=type(error).__name__)
            raise Unavailable from error
        faults = [code for code in map(str, answer.error_codes or ()) if code not in _WRONG_TOKEN]
        if not answer.success and faults:
            # A wrong secret, for example, or a fault of the server: nothing that the client could do better.
            log.error("human_check_failed", cause=", ".join(faults)[:200])
            raise Unavailable
        return answer

    async def _post(self, fields: dict[str, str]) -> "_Answer":
        async with self._client.stream("POST", self._url, data=fields) as response:
            body = bytearray()
            async for data in response.aiter_bytes():
                body += data
                if len(body) > _LONGEST_ANSWER:
                    break
        return msgspec.json.decode(bytes(body), type=_Answer)


class _Answer(msgspec.Struct, rename={"error_codes": "error-codes"}):
    success: bool
    hostname: str | None = None
    error_codes: list[Any] | None = None


def _remote_ip(address: str) -> dict[str, str]:
    try:
        return {"remoteip": str(ip_address(address))}
    except ValueError:
        # An IPv6 client counts by its network, of which the widget's server knows nothing.
        return {}
