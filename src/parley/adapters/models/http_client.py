"""An HTTP client for one model server: a thin layer over aiohttp, which takes a tenth of the time of an SDK."""

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from parley.adapters.models.connection import CONNECT_SECONDS, own_headers, proxy_of
from parley.adapters.models.vendor_errors import error_of_status

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession


class ModelServer:
    """Sends our headers and nothing else, without redirects, cookies and a limit of connections.

    It may be made in a thread, since it reads certificates; it connects with the first request.
    """

    def __init__(self, base_url: str, key_header: Mapping[str, str]) -> None:
        from httpx2 import create_ssl_context  # noqa: PLC0415 - slow to import and maybe never used

        self._base_url = base_url.rstrip("/")
        self._headers = own_headers(key_header)
        self._certificates = create_ssl_context()
        self._proxy = proxy_of(base_url)
        self._session: ClientSession | None = None

    async def send(self, method: str, path: str, content: bytes | None = None) -> "Received":
        """The response, its body unread. `path` follows the base URL. Raises VendorError for a status that is no 2xx.

        Otherwise raises what aiohttp does.
        """
        session = self._session = self._session or self._opened()
        url = f"{self._base_url}{path}"
        response = await session.request(method, url, data=content, allow_redirects=False, proxy=self._proxy)
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Received(response)
        async with response:
            raise error_of_status(response.status, response.headers, await response.read())

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> "ClientSession":
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415 - as above

        return ClientSession(
            headers=self._headers,
            cookie_jar=DummyCookieJar(),
            connector=TCPConnector(limit=0, ssl=self._certificates),
            # Deadlines are the caller's.
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )


class Received:
    """A response that is read as it arrives."""

    def __init__(self, response: "ClientResponse") -> None:
        self._response = response

    async def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        async for data in self._response.content.iter_any():
            yield data

    async def aclose(self) -> None:
        """Closes the connection, unless the response was read to its end."""
        self._response.close()

    async def read(self) -> bytes:
        async with self._response:
            return await self._response.read()
