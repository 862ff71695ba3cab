"""How often one address may call what needs no token."""

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.site import MIRA, Person, Site

PATHS = ["/auth/signup", "/auth/send-otp", "/auth/verify-otp", "/auth/login", "/auth/refresh"]


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(AUTH_REQUESTS_PER_MINUTE="60")


async def use_up(person: Person) -> list[httpx.Response]:
    """Sixty calls, over all of the routes."""
    return [await person.post(PATHS[turn % len(PATHS)], json={}) for turn in range(60)]


async def test_the_61st_call_in_a_minute_is_refused_on_every_route(site: Site) -> None:
    visitor = site.visitor()
    assert {answer.status_code for answer in await use_up(visitor)} == {400}
    for path in PATHS:
        answer = await visitor.post(path, json={"mobile_number": MIRA})
        refused(answer, 429, "rate_limited")
        assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_another_address_has_its_own_sixty(site: Site) -> None:
    await use_up(site.visitor())
    assert (await site.visitor("192.0.2.7").sign_in(MIRA))["created"] is True


async def test_routes_that_need_a_token_are_not_counted(site: Site) -> None:
    person = await site.person()
    await use_up(site.visitor())
    for path in ("/user/me", "/chatroom", "/models", "/health/ready"):
        assert (await person.get(path)).status_code == 200
    refused(await site.visitor().get("/user/me"), 401, "token_invalid")


async def test_zero_is_without_limit(open_site: OpenSite) -> None:
    visitor = (await open_site(AUTH_REQUESTS_PER_MINUTE="0")).visitor()
    await use_up(visitor)
    assert (await visitor.post("/auth/send-otp", json={"mobile_number": MIRA})).status_code == 200
