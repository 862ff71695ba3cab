"""The configurations of docs/nginx.md: nginx accepts them, and streams flow through them over TLS."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from tests.debian.nginx import NAME, documented, nginx
from tests.debian.through_nginx import ByName, answer_over_a_socket, streamed_reply
from tests.e2e.process import Served, free_port, served


@asynccontextmanager
async def proxied(
    folder: Path, *, under_a_path: bool
) -> AsyncGenerator[tuple[httpx.AsyncClient, Served, int, ssl.SSLContext], None]:
    """A client of the proxy over TLS by its name, the server behind it, the proxy's port without TLS, and its trust."""
    ca, port, plain = trustme.CA(), free_port(), free_port()
    public = f"https://{NAME}:{port}" + ("/chat" if under_a_path else "")
    settings = {"TRUSTED_PROXIES": "127.0.0.1", "PUBLIC_URL": public, "OFFLINE_DELAY_SECONDS": "0.05"}
    tls = ssl.create_default_context()
    ca.configure_trust(tls)
    async with served(folder, ALLOW_SHOWN_CODES="1", **settings) as api:
        ports = {80: plain, 443: port, 8000: api.port, 8001: api.port}
        configuration = documented(under_a_path=under_a_path)
        async with (
            nginx(configuration, ports, ca),
            httpx.AsyncClient(transport=ByName(verify=tls), base_url=public, timeout=20) as client,
        ):
            yield client, api, plain, tls


@pytest.mark.parametrize("under_a_path", [False, True], ids=["whole", "under a path"])
async def test_a_reply_streams_through_nginx_over_tls(tmp_path: Path, under_a_path: bool) -> None:
    async with proxied(tmp_path, under_a_path=under_a_path) as (client, api, plain, tls):
        assert (await streamed_reply(client, "mira@example.com"))["status"] == "completed"
        docs = await client.get("docs")
        assert docs.status_code == 200
        assert (await client.get("docs/start.js")).status_code == 200
        assert await answer_over_a_socket(client, tls) == "You said: Hello"
        for hidden in ("metrics", "health/ready"):
            assert (await client.get(f"https://{NAME}:{client.base_url.port}/{hidden}")).status_code == 404
        async with httpx.AsyncClient() as visitor:
            redirect = await visitor.get(f"http://127.0.0.1:{plain}/docs", headers={"Host": NAME})
        assert (redirect.status_code, redirect.headers["location"]) == (308, f"https://{NAME}/docs")
        # The client's own address, through the trusted proxy.
        assert "untrusted_proxy" not in api.log()
