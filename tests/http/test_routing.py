"""Unknown addresses and methods, and crashes."""

import re
from uuid import uuid4

import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import text

from parley.adapters.sql.engine.statements import Statement
from parley.bootstrap.processes import litestar_application
from tests.http.answers import refused
from tests.http.site import Clock, Person, Site, address

UNKNOWN_PATHS = [
    "/nonsense",
    "/chatrooms",
    "/chatroom/nonsense",
    "/chatroom/1",
    "/chatroom/%00",
    "/chatroom/%ff",
    "/chatroom/..%2f..%2fuser/me",
    f"/chatroom/{uuid4()}/nonsense",
    f"/chatroom/{uuid4()}/messages/nonsense",
    f"/chatroom/{uuid4()}/messages/{uuid4()}/nonsense",
    "/auth",
    "/docs/nonsense",
    "/docs/schema",
    "/docs/schema/swagger",
    "/docs/files",
    "/docs/files/nonsense.js",
    "/docs/files/..%2f__init__.py",
    "/docs/files/%2e%2e/__init__.py",
    "/chat/nonsense",
    "/chat/files",
    "/chat/files/0/nonsense.js",
    "/chat/files/0/chat.html",
    "/chat/files/0/..%2froutes.py",
    "/x" * 5_000,
]


def http_routes(site: Site) -> list[HTTPRoute]:
    return [route for route in litestar_application(site.parley).routes if isinstance(route, HTTPRoute)]


async def test_an_unknown_address(mira: Person, subtests: pytest.Subtests) -> None:
    for path in UNKNOWN_PATHS:
        with subtests.test(path=path[:60]):
            refused(await mira.get(path), 404, "not_found")


def with_head(methods: set[str]) -> set[str]:
    return methods | {"HEAD"} if "GET" in methods else methods


async def test_an_unsupported_method(site: Site, mira: Person) -> None:
    """For every route: the response lists exactly the supported methods."""
    routes = [route for route in http_routes(site) if "file_path" not in route.path]
    for route in routes:
        path = re.sub(r"\{[^}]+\}", str(uuid4()), route.path)
        method = next(method for method in ("PUT", "PATCH", "DELETE") if method not in route.methods)
        answer = await mira.request(method, path, json={})
        refused(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == with_head(route.methods)


async def test_options_lists_all_methods_of_an_address(site: Site, mira: Person) -> None:
    for route in http_routes(site):
        path = re.sub(r"\{[^}]+\}", str(uuid4()), route.path)
        answer = await mira.options(path)
        if "file_path" not in route.path:
            assert answer.status_code == 204
            assert set(answer.headers["allow"].split(", ")) == with_head(route.methods)


async def test_a_trailing_slash_is_accepted_everywhere(site: Site, mira: Person) -> None:
    accepted = await mira.ask(await mira.new_room())
    reply = await mira.ended(accepted["reply"])
    room = f"/chatroom/{reply['chatroom_id']}"
    for method, path, body in (
        ("GET", "/user/me", None),
        ("PATCH", "/user/me", {"name": "Mira"}),
        ("GET", "/user/usage", None),
        ("GET", "/chatroom/usage", None),
        ("GET", "/models", None),
        ("GET", "/chatroom", None),
        ("POST", "/chatroom", {"name": "x"}),
        ("GET", room, None),
        ("PATCH", room, {"name": "x"}),
        ("GET", f"{room}/messages", None),
        ("POST", f"{room}/message", {"content": "x"}),
        ("GET", address(reply), None),
        ("GET", f"{address(reply)}/stream", None),
        ("POST", f"{address(reply)}/stop", None),
        ("POST", "/auth/send-otp", {"mobile_number": "+919876543212"}),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/docs", None),
        ("GET", "/openapi.json", None),
    ):
        plain = await mira.request(method, path, json=body)
        slashed = await mira.request(method, f"{path}/", json=body)
        assert plain.is_success, plain.text
        assert slashed.status_code == plain.status_code


async def test_an_id_may_be_in_upper_case(mira: Person) -> None:
    room = await mira.new_room()
    assert (await mira.get(f"/chatroom/{room.upper()}")).json()["id"] == room


async def test_unknown_query_parameters_are_ignored(mira: Person) -> None:
    assert (await mira.get("/chatroom?utm=1&limit=5&%ff=%ff&=&&")).status_code == 200


async def test_a_crash_is_a_problem_without_details(mira: Person, clock: Clock) -> None:
    clock.fault = RuntimeError("swordfish, in /etc/parley")
    answer = await mira.get("/models")
    clock.fault = None
    problem = refused(answer, 500, "internal_error")
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    for word in ("swordfish", "parley", "RuntimeError", "Traceback"):
        assert word not in answer.text
        assert word not in str(answer.headers)


async def test_a_database_error_is_a_problem_without_its_message(site: Site, mira: Person) -> None:
    room = await mira.new_room()
    async with site.parley.database.transaction() as transaction:
        await transaction.execute(Statement(text("ALTER TABLE rooms RENAME TO elsewhere")))
        await transaction.commit()
    for answer in (
        await mira.get("/chatroom"),
        await mira.post("/chatroom", json={"name": "a secret name"}),
        await mira.get(f"/chatroom/{room}"),
        await mira.say(room, "a secret thought"),
    ):
        refused(answer, 500, "internal_error")
        for word in ("rooms", "SELECT", "INSERT", "sqlite", "secret"):
            assert word not in answer.text
