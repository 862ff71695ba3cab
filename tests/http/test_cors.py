"""Cross-origin requests from browsers."""

import httpx
import pytest

from tests.http.answers import refused
from tests.http.conftest import OpenSite
from tests.http.document import Document
from tests.http.site import Person, Site

JSON = {"Content-Type": "application/json"}
APP, OTHER = "https://app.example.com", "https://evil.example.com"


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site(CORS_ORIGINS=f"{APP}, http://localhost:3000")


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


async def preflight(person: Person, origin: str, method: str = "POST", path: str = "/chatroom") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return await person.options(path, headers=headers)


async def test_a_preflight_from_a_listed_origin_is_allowed(site: Site, document: Document) -> None:
    for origin in (APP, "http://localhost:3000"):
        answer = await preflight(site.visitor(), origin)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in words(answer.headers["vary"])
        assert words(answer.headers["access-control-allow-methods"]) >= {"get", "post", "patch", "delete"}
        assert answer.headers["access-control-max-age"] == "600"


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        (f"{APP}/", APP),
        ("https://App.Example.com", APP),
        (f"{APP}:443/", APP),
        ("http://localhost:80", "http://localhost"),
        ("https://localhost:8443/", "https://localhost:8443"),
        ("https://*.example.com/", APP),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
async def test_an_origin_is_understood_as_people_write_it(open_site: OpenSite, listed: str, sent: str) -> None:
    answer = await preflight((await open_site(CORS_ORIGINS=listed)).visitor(), sent)
    assert answer.headers["access-control-allow-origin"] == sent


async def test_a_listed_origin_may_send_every_documented_header(site: Site, document: Document) -> None:
    allowed = words((await preflight(site.visitor(), APP)).headers["access-control-allow-headers"])
    operations = [each for path in document.content["paths"].values() for each in path.values()]
    parameters = [parameter for each in operations for parameter in each.get("parameters", [])]
    known = {parameter["name"].lower() for parameter in parameters if parameter["in"] == "header"}
    assert known >= {"idempotency-key", "prefer", "last-event-id", "if-none-match"}
    # Only Stripe's servers send Stripe-Signature.
    assert allowed >= (known - {"stripe-signature"}) | {"authorization", "content-type", "x-request-id"}


async def test_a_listed_origin_may_read_every_useful_header(site: Site) -> None:
    person = await site.person()
    answer = await person.get("/models", headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    assert words(answer.headers["access-control-expose-headers"]) == {
        "cache-status",
        "etag",
        "idempotent-replayed",
        "location",
        "preference-applied",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
        "x-request-id",
        "x-should-retry",
        "x-vercel-ai-ui-message-stream",
    }


async def test_a_listed_origin_may_read_errors(site: Site) -> None:
    visitor, person = site.visitor(), await site.person()
    refusals = [
        (await visitor.get("/user/me", headers={"Origin": APP}), 401, "token_invalid"),
        (await visitor.get("/nonsense", headers={"Origin": APP}), 404, "not_found"),
        (await visitor.put("/chatroom", headers={"Origin": APP}), 405, "method_not_allowed"),
        (
            await person.post("/chatroom", content=b" " * 1_000_001, headers=JSON | {"Origin": APP}),
            413,
            "body_too_large",
        ),
    ]
    for answer, status, code in refusals:
        refused(answer, status, code)
        assert answer.headers["access-control-allow-origin"] == APP


OTHER_ORIGINS = [OTHER, "null", "https://app.example.com.evil.com", "http://app.example.com", "*"]


async def test_other_origins_are_not_allowed(site: Site, subtests: pytest.Subtests) -> None:
    for origin in OTHER_ORIGINS:
        with subtests.test(origin=origin):
            visitor = site.visitor()
            for answer in (
                await visitor.get("/health/live", headers={"Origin": origin}),
                await preflight(visitor, origin),
            ):
                assert "access-control-allow-origin" not in answer.headers


async def test_without_listed_origins_there_are_no_cors_headers(open_site: OpenSite) -> None:
    visitor = (await open_site()).visitor()
    assert cors_headers(await visitor.get("/health/live", headers={"Origin": APP})) == {}
    assert cors_headers(await preflight(visitor, APP)) == {}


async def test_cookies_are_never_allowed(site: Site) -> None:
    answer = await preflight(site.visitor(), APP)
    assert "access-control-allow-credentials" not in answer.headers
