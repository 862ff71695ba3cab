"""The headers that every response has. They are checked for every response in any test, not only for those here."""

from uuid import UUID

import pytest

from tests.http.answers import check_envelope, refused
from tests.http.conftest import Logs, OpenSite
from tests.http.site import Clock, Person, Site, address

JSON = {"Content-Type": "application/json"}


async def test_responses_of_every_kind_have_the_headers(site: Site, mira: Person, clock: Clock) -> None:
    room = await mira.new_room()
    reply = await mira.hear(room)
    answers = {
        200: await mira.get("/user/me"),
        201: await mira.post("/chatroom", json={"name": "x"}),
        202: await mira.say(room),
        204: await mira.delete(f"/chatroom/{await mira.new_room()}"),
        304: await mira.get("/chatroom", headers={"If-None-Match": "*"}),
        400: await mira.post("/chatroom", content=b"{", headers=JSON),
        401: await site.visitor().get("/user/me"),
        404: await mira.get("/nonsense"),
        405: await mira.put("/chatroom"),
        413: await mira.post("/chatroom", content=b" " * 1_000_001, headers=JSON),
        415: await mira.post("/chatroom", data={"name": "x"}),
    }
    clock.fault = RuntimeError("crash")
    answers[500] = await mira.get("/user/me")
    clock.fault = None
    for status, answer in answers.items():
        assert answer.status_code == status
        await check_envelope(answer)
    for answer in (
        await mira.get(f"{address(reply)}/stream"),
        await mira.get("/docs"),
        await mira.get("/docs/start.js"),
    ):
        assert answer.status_code == 200
        await check_envelope(answer)


async def test_responses_are_not_cached(site: Site, mira: Person) -> None:
    for path in ("/user/me", "/models", "/nonsense", "/health/ready"):
        assert (await mira.get(path)).headers["cache-control"] == "no-store"
    assert (await site.visitor().get("/user/me")).headers["cache-control"] == "no-store"


async def test_each_request_has_a_unique_id(mira: Person) -> None:
    ids = [(await mira.get("/models")).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert {UUID(each).version for each in ids} == {7}


HARMLESS = ["abc-123", "01J.x_Y", "x", "x" * 64]


async def test_a_harmless_request_id_of_the_client_is_used(mira: Person, logs: Logs, subtests: pytest.Subtests) -> None:
    for given in HARMLESS:
        with subtests.test(given=given):
            for path in ("/models", "/nonsense"):
                assert (await mira.get(path, headers={"X-Request-ID": given})).headers["x-request-id"] == given
            assert [entry["request_id"] for entry in logs if entry["event"] == "request"][-2:] == [given, given]


HARMFUL = ["", " ", "a b", "x" * 65, "<script>", "a;b", "a\tb", "a,b", "é", "${jndi:ldap://x}", '"', "../../etc"]


async def test_a_harmful_request_id_of_the_client_is_replaced(mira: Person, subtests: pytest.Subtests) -> None:
    for given in HARMFUL:
        with subtests.test(given=given):
            answer = await mira.get("/models", headers={"X-Request-ID": given.encode("latin-1")})
            assert UUID(answer.headers["x-request-id"]).version == 7


async def test_hsts_is_sent_over_https(open_site: OpenSite) -> None:
    site = await open_site(PUBLIC_URL="https://chat.example.com/")
    answer = await site.visitor().get("/health/live")
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_hsts_is_not_sent_over_http(site: Site) -> None:
    assert "strict-transport-security" not in (await site.visitor().get("/health/live")).headers


async def test_addresses_in_responses_begin_with_the_public_url(open_site: OpenSite) -> None:
    site = await open_site(PUBLIC_URL="https://chat.example.com/")
    mira = await site.person()
    answer = await mira.say(await mira.new_room())
    reply = answer.json()["reply"]
    assert answer.headers["location"] == f"https://chat.example.com{address(reply)}"
    assert answer.json()["stream_url"].startswith(f"https://chat.example.com{address(reply)}/stream?ticket=")


async def test_a_crash_is_logged_with_the_request_id_of_the_response(mira: Person, clock: Clock, logs: Logs) -> None:
    clock.fault = RuntimeError("crash")
    answer = await mira.get("/models")
    clock.fault = None
    refused(answer, 500, "internal_error")
    [crashed] = [entry for entry in logs if entry["event"] == "request_crashed"]
    assert crashed["request_id"] == answer.headers["x-request-id"]
    assert crashed["exc_info"] is not None
