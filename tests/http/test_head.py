"""HEAD is answered wherever GET is, with the same headers and no body."""

import asyncio

import pytest

from tests.http.answers import refused
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Person, Site, address
from tests.http.test_metrics import metric

VOLATILE = {"x-request-id", "date", "cache-status"}
PATHS = [
    "/user/me",
    "/user/me/export",
    "/user/usage",
    "/chatroom/usage",
    "/chatroom",
    "/chatroom/{room}",
    "/chatroom/{room}/messages",
    "/chatroom/{room}/messages/{reply}",
    "/chatroom/{room}/messages/{reply}/stream",
    "/chatroom/{room}/share",
    "/shared/{token}",
    "/auth/sessions",
    "/models",
    "/subscription/status",
    "/health/live",
    "/health/ready",
    "/docs",
    "/docs/start.js",
    "/docs/files/swagger-ui.css",
    "/openapi.json",
]


async def test_every_address_with_get(mira: Person, subtests: pytest.Subtests) -> None:
    reply = await mira.hear(await mira.new_room())
    shared = (await mira.post(f"/chatroom/{reply['chatroom_id']}/share")).json()["url"]
    for template in PATHS:
        token = shared.rpartition("/")[2]
        path = template.format(room=reply["chatroom_id"], reply=reply["id"], token=token)
        with subtests.test(path=path):
            got, head = await mira.get(path), await mira.head(path)
            assert head.status_code == got.status_code == 200
            assert head.content == b""
            assert {k: v for k, v in head.headers.items() if k not in VOLATILE} == {
                k: v for k, v in got.headers.items() if k not in VOLATILE
            }


async def test_metrics(site: Site) -> None:
    head = await site.visitor().head("/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert await metric(site, "parley_http_requests_total", method="HEAD", route="/metrics", status="200") == 1


async def test_a_stream_that_has_not_ended(mira: Person, model: ScriptedModel) -> None:
    accepted = await mira.ask(await mira.new_room())
    async with asyncio.timeout(30):
        head = await mira.head(f"{address(accepted['reply'])}/stream")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


async def test_refusals(site: Site, mira: Person) -> None:
    for person, path, status in (
        (mira, "/nonsense", 404),
        (site.visitor(), "/user/me", 401),
        (mira, "/auth/login", 405),
    ):
        head = await person.head(path)
        assert (head.status_code, head.content) == (status, b"")
    refused(await mira.post("/models", json={}), 405, "method_not_allowed")


async def test_if_none_match(mira: Person) -> None:
    etag = (await mira.get("/chatroom")).headers["etag"]
    assert (await mira.head("/chatroom", headers={"If-None-Match": etag})).status_code == 304
