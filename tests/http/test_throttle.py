"""The rate limit of one client address for routes without a token."""

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import MIRA, Person, Site

PROXY = "10.1.2.3"
MIRAS, RAVIS = "192.0.2.7", "192.0.2.8"
PATHS = [
    "/auth/signup",
    "/auth/send-otp",
    "/auth/verify-otp",
    "/auth/login",
    "/auth/refresh",
    "/auth/forgot-password",
    "/auth/reset-password",
]


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(AUTH_REQUESTS_PER_MINUTE="60")


async def use_up_limit(person: Person) -> list[httpx.Response]:
    """Sixty requests, spread over all routes."""
    return [await person.post(PATHS[number % len(PATHS)], json={}) for number in range(60)]


async def test_the_61st_request_in_a_minute_is_refused_on_every_route(site: Site) -> None:
    visitor = site.visitor()
    assert {answer.status_code for answer in await use_up_limit(visitor)} == {400}
    for path in PATHS:
        answer = await visitor.post(path, json={"mobile_number": MIRA})
        refused(answer, 429, "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_another_address_has_its_own_limit(site: Site) -> None:
    await use_up_limit(site.visitor())
    assert (await site.visitor("192.0.2.7").sign_in(MIRA))["created"] is True


async def test_routes_that_need_a_token_are_not_counted(site: Site) -> None:
    person = await site.person()
    await use_up_limit(site.visitor())
    for path in ("/user/me", "/chatroom", "/models", "/health/ready"):
        assert (await person.get(path)).status_code == 200
    refused(await site.visitor().get("/user/me"), 401, "token_invalid")


async def test_zero_means_no_limit(open_site: OpenSite) -> None:
    visitor = (await open_site(AUTH_REQUESTS_PER_MINUTE="0")).visitor()
    await use_up_limit(visitor)
    assert (await visitor.post("/auth/send-otp", json={"mobile_number": MIRA})).status_code == 200


async def is_refused(person: Person, forwarded: str | None = None) -> bool:
    """Whether a request is over the limit. `forwarded` is its X-Forwarded-For header."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    answer = await person.post("/auth/send-otp", json={}, headers=headers)
    assert answer.status_code in {400, 429}, answer.text
    return answer.status_code == 429


async def site_with_limit_one(open_site: OpenSite, trusted_proxies: str = "") -> Site:
    """A site where every address has one request per minute."""
    return await open_site(AUTH_REQUESTS_PER_MINUTE="1", TRUSTED_PROXIES=trusted_proxies)


@pytest.mark.parametrize("trusted_proxies", ["", "10.1.2.4,10.2.0.0/16,2001:db8::/32"])
async def test_the_forwarded_address_of_an_untrusted_peer_is_ignored(open_site: OpenSite, trusted_proxies: str) -> None:
    visitor = (await site_with_limit_one(open_site, trusted_proxies)).visitor(PROXY)
    assert not await is_refused(visitor, MIRAS)
    assert await is_refused(visitor, RAVIS)
    assert await is_refused(visitor, PROXY)
    assert await is_refused(visitor)


@pytest.mark.parametrize(
    ("proxy", "trusted_proxies"),
    [
        (PROXY, PROXY),
        (PROXY, "10.0.0.0/8"),
        (PROXY, "10.9.9.9/8"),
        (PROXY, f"198.51.100.1,{PROXY}"),
        (f"::ffff:{PROXY}", PROXY),
        (f"::ffff:{PROXY}", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8:0::1"),
        ("2001:db8::1", "2001:db8::/32"),
    ],
)
async def test_behind_a_trusted_proxy_each_client_has_its_own_limit(
    open_site: OpenSite, proxy: str, trusted_proxies: str
) -> None:
    visitor = (await site_with_limit_one(open_site, trusted_proxies)).visitor(proxy)
    assert not await is_refused(visitor, MIRAS)
    assert not await is_refused(visitor, RAVIS)
    assert not await is_refused(visitor, "2001:4860::7")
    assert await is_refused(visitor, MIRAS)
    assert await is_refused(visitor, f"{MIRAS}:4711")
    assert await is_refused(visitor, "[2001:4860::8]:4711")


async def test_addresses_that_a_client_puts_into_the_header_are_ignored(open_site: OpenSite) -> None:
    visitor = (await site_with_limit_one(open_site, "10.0.0.0/8")).visitor(PROXY)
    assert not await is_refused(visitor, MIRAS)
    for forged in (RAVIS, "10.1.1.1", "unknown", "", f"{RAVIS}, 10.1.1.1"):
        assert await is_refused(visitor, f"{forged}, {MIRAS}")
        # With a second trusted proxy.
        assert await is_refused(visitor, f"{forged}, {MIRAS}, 10.1.2.4")
    assert not await is_refused(visitor, f"{MIRAS}, {RAVIS}")


async def test_a_separate_header_of_the_client_is_ignored(open_site: OpenSite) -> None:
    visitor = (await site_with_limit_one(open_site, PROXY)).visitor(PROXY)
    assert not await is_refused(visitor, MIRAS)
    headers = [("X-Forwarded-For", RAVIS), ("X-Forwarded-For", MIRAS)]
    refused(await visitor.post("/auth/send-otp", json={}, headers=headers), 429, "rate_limited")


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", MIRAS, True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        (MIRAS, RAVIS, False),
        ("a socket", "a socket", True),
        ("a socket", "another socket", False),
    ],
)
async def test_which_addresses_share_a_limit(open_site: OpenSite, first: str, second: str, shared: bool) -> None:
    site = await site_with_limit_one(open_site)
    assert not await is_refused(site.visitor(first))
    assert await is_refused(site.visitor(second)) is shared


@pytest.mark.parametrize("limit", ["0", "1"])
async def test_log_lines_have_the_address_of_the_client(open_site: OpenSite, logs: Logs, limit: str) -> None:
    site = await open_site(AUTH_REQUESTS_PER_MINUTE=limit, TRUSTED_PROXIES=PROXY)
    visitor = site.visitor(PROXY)
    await is_refused(visitor, "2001:db8:1:2::1")
    await is_refused(visitor, "2001:db8:1:2::2")
    await visitor.get("/user/me")
    lines = [entry for entry in logs if entry["event"] == "request"]
    assert [line.get("address") for line in lines] == ["2001:db8:1:2::1", "2001:db8:1:2::2", PROXY]
