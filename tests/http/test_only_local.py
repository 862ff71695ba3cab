"""A server that shows codes answers only this machine, by its own names; and proxies that the settings do not name."""

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import Site


@pytest.fixture
async def local(open_site: OpenSite) -> Site:
    return await open_site(ALLOW_SHOWN_CODES="0")


async def sent_code(site: Site, url: str, host: str | None = None, **forwarded: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=site.app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        headers = forwarded | ({} if host is None else {"Host": host})
        return await client.post("/auth/send-otp", json={"email": "mira@example.com"}, headers=headers)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:8000", None),
        ("http://127.0.0.1:8000", "localhost"),
        ("http://127.0.0.1:8000", "LOCALHOST:8000"),
        ("http://127.0.0.1", "chat.localhost:3000"),
        ("http://[::1]:8000", None),
    ],
)
async def test_requests_of_this_machine_are_answered(local: Site, url: str, host: str | None) -> None:
    assert "otp" in (await sent_code(local, url, host)).json()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://192.0.2.1:8000", None),
        ("http://192.0.2.1:8000", "localhost"),
        ("http://127.0.0.1:8000", "evil.example"),
        ("http://127.0.0.1:8000", "localhost.evil.example"),
        ("http://127.0.0.1:8000", "127.0.0.1.evil.example"),
        ("http://127.0.0.1:8000", "192.0.2.1"),
        ("http://127.0.0.1:8000", ""),
        ("http://127.0.0.1:8000", "[::1].evil.example"),
        ("http://127.0.0.1:8000", "localhost:80@evil.example"),
        ("http://127.0.0.1:8000", "localhost:80,evil.example"),
    ],
)
async def test_other_requests_are_refused(local: Site, url: str, host: str | None) -> None:
    refused(await sent_code(local, url, host), 421, "misdirected_request")


async def test_each_of_several_names_must_be_of_this_machine(local: Site) -> None:
    transport = httpx.ASGITransport(app=local.app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        names = [("Host", "localhost"), ("Host", "evil.example")]
        refused(await client.get("/health/live", headers=names), 421, "misdirected_request")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-For", "127.0.0.1, 2001:db8::7"),
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-For", ""),
        ("X-Real-IP", "192.0.2.7:4711"),
        ("X-Forwarded-Host", "chat.example:443"),
        ("Forwarded", "proto=http;For=192.0.2.7"),
        ("Forwarded", 'for=127.0.0.1, for="[2001:db8::7]:4711"'),
        ("Forwarded", "for=127.0.0.1;host=chat.example"),
        ("Forwarded", "for=_hidden"),
    ],
)
async def test_what_a_proxy_of_this_machine_forwards_for_others_is_refused(
    local: Site, header: str, value: str
) -> None:
    refused(await sent_code(local, "http://127.0.0.1:8000", **{header: value}), 421, "misdirected_request")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", "::1, ::ffff:127.0.0.1"),
        ("X-Forwarded-For", "[::1]:4711"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost:3000"),
        ("Forwarded", 'for="[::1]:4711";host="localhost:3000", for=127.0.0.1'),
    ],
)
async def test_what_a_proxy_of_this_machine_forwards_for_it_is_answered(local: Site, header: str, value: str) -> None:
    assert "otp" in (await sent_code(local, "http://127.0.0.1:8000", **{header: value})).json()


async def test_a_setting_opens_it(site: Site) -> None:
    assert "otp" in (await sent_code(site, "http://192.0.2.1", "parley.example")).json()


async def test_docs_can_be_turned_off(open_site: OpenSite) -> None:
    visitor = (await open_site(DOCS="off")).visitor()
    for path in ("/docs", "/openapi.json", "/docs/start.js"):
        refused(await visitor.get(path), 404, "not_found")


@pytest.mark.parametrize(("trusted", "lines"), [("", 1), ("none", 1), ("10.0.0.0/8", 1), ("127.0.0.1", 0)])
async def test_a_proxy_that_is_not_trusted_is_logged_once(
    open_site: OpenSite, logs: Logs, trusted: str, lines: int
) -> None:
    visitor = (await open_site(TRUSTED_PROXIES=trusted)).visitor()
    for _ in range(3):
        await visitor.get("/health/live", headers={"X-Forwarded-For": "192.0.2.7"})
    noted = [entry for entry in logs if entry["event"] == "forwarded_by_untrusted_peer"]
    assert len(noted) == lines
    assert [entry["peer"] for entry in noted] == ["127.0.0.1"] * lines
