"""The OpenAPI document and the documentation page."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from parley.bootstrap.processes import litestar_application
from tests.http.document import Document
from tests.http.site import Person, Site
from tests.http.test_tokens import PUBLIC

ADDRESS = re.compile(r"\w+://[^\s\"'<>)`\\]*")


@pytest.fixture(scope="module")
def operations(document: Document) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document.content["paths"].items()
        for method, operation in item.items()
    ]


def objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from objects(each)


async def test_the_document_is_served(site: Site, document: Document) -> None:
    answer = await site.visitor().get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document.content


def test_it_is_openapi_3_1_with_a_title_and_a_version(document: Document) -> None:
    assert document.content["openapi"].startswith("3.1.")
    assert document.content["info"]["title"] == "parley"
    assert document.content["info"]["version"]
    assert document.content["info"]["description"]
    allowed = {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs"}
    assert set(document.content) <= allowed


def test_every_reference_can_be_resolved(document: Document) -> None:
    references = [each["$ref"] for each in objects(document.content) if "$ref" in each]
    assert references
    for reference in references:
        target = document.content
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_route_is_documented_except_html_pages_and_the_websocket(site: Site, operations: list[Any]) -> None:
    served = {
        (method.lower(), re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path))
        for route in litestar_application(site.parley).routes
        for method in route.methods - {"OPTIONS"}
        # OpenAPI cannot describe a WebSocket.
        if route.path not in {"/", "/chat", "/chatroom/{chatroom_id:uuid}/socket"}
        and not route.path.startswith(("/chat/", "/docs", "/openapi.json", "/sandbox/", "/checkout/"))
    }
    assert {(method, path) for method, path, _ in operations} == served


def test_operation_ids_are_unique_and_plain(operations: list[Any]) -> None:
    counted = Counter(operation["operationId"] for _, _, operation in operations)
    assert set(counted.values()) == {1}
    assert all(re.fullmatch(r"[a-z][a-zA-Z]+", operation_id) for operation_id in counted)


def test_every_operation_has_a_summary_and_a_tag_that_is_explained(document: Document, operations: list[Any]) -> None:
    explained = {tag["name"] for tag in document.content["tags"] if tag["description"]}
    for _, _, operation in operations:
        assert operation["summary"]
        assert set(operation["tags"]) <= explained
        assert len(operation["tags"]) == 1


def test_every_operation_documents_its_problems(operations: list[Any]) -> None:
    for method, path, operation in operations:
        expected = set()
        if "security" in operation or path.startswith("/auth/"):
            without_credentials = {"/auth/signup", "/auth/send-otp", "/auth/forgot-password"}
            expected |= {"401"} if path not in without_credentials else set()
        if "requestBody" in operation:
            expected |= {"400", "413", "415"}
        if "{" in path:
            expected |= {"404"}
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            expected |= {"400"}
        if path == "/chatroom/{chatroom_id}/message":
            expected |= {"422", "429"}
        if (method.upper(), path) in PUBLIC and path.startswith("/auth/"):
            expected |= {"429"}
        assert expected <= set(operation["responses"]), operation["operationId"]


def test_every_error_is_a_problem(operations: list[Any]) -> None:
    for _, path, operation in operations:
        for status, answer in operation["responses"].items():
            assert answer["description"]
            if status >= "400" and path.startswith("/v1/"):
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
                assert answer["content"]["application/json"]["examples"]
            elif status >= "400" and path.startswith("/api/chat"):
                assert answer["content"]["text/plain"]["examples"]
            elif status >= "400" and path != "/health/ready":
                pages = {"text/html"} if path == "/shared/{token}" else set()
                assert answer["content"].keys() == {"application/problem+json"} | pages
                content = answer["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                for example in content["examples"].values():
                    assert example["value"]["status"] == int(status)
                    assert example["value"]["code"]


def test_every_parameter_is_described_by_a_schema(operations: list[Any]) -> None:
    for _, path, operation in operations:
        parameters = operation.get("parameters", [])
        assert all(parameter["schema"] for parameter in parameters)
        in_path = [parameter for parameter in parameters if parameter["in"] == "path"]
        assert [parameter["name"] for parameter in in_path] == re.findall(r"\{(\w+)\}", path)
        assert all(parameter["required"] for parameter in in_path)


def test_routes_that_need_a_token_document_it(document: Document, operations: list[Any]) -> None:
    schemes = document.content["components"]["securitySchemes"]
    assert schemes["bearer"].items() >= {"type": "http", "scheme": "bearer"}.items()
    documented = {(method, re.sub(r":\w+}", "}", path)) for method, path in PUBLIC}
    for method, path, operation in operations:
        schemes_used = [name for each in operation.get("security", []) for name in each]
        assert set(schemes_used) <= set(schemes)
        expected = "operator" if path.startswith("/admin/") else "bearer"
        assert (expected in schemes_used) is ((method.upper(), path) not in documented), operation["operationId"]


def test_bodies_are_json_with_a_schema(operations: list[Any]) -> None:
    for method, path, operation in operations:
        if "requestBody" in operation:
            assert operation["requestBody"]["content"].keys() == {"application/json"}
            # An erasure may be proven by the session alone, another reply may come from the same model, a plan has a
            # first price, a chatroom needs no name.
            is_optional = method == "delete" or path.endswith(("/regenerate", "/{plan}"))
            is_optional |= (method, path) == ("post", "/chatroom")
            assert operation["requestBody"]["required"] is not is_optional


def test_only_the_aliases_are_deprecated(operations: list[Any]) -> None:
    deprecated = {(method, path) for method, path, operation in operations if operation.get("deprecated")}
    assert deprecated == {
        ("get", "/auth/me"),
        ("post", "/subscription/{plan}"),
        ("post", "/payments/subscribe/{plan}"),
        ("get", "/subscribe/status"),
        ("get", "/payments/subscription/status"),
        ("post", "/payments/webhook/stripe"),
    }


async def test_the_document_and_its_page_contain_no_external_address(site: Site) -> None:
    visitor = site.visitor()
    for path in ("/openapi.json", "/docs", "/docs/start.js"):
        answer = await visitor.get(path)
        assert answer.status_code == 200
        assert ADDRESS.findall(answer.text) == []
        assert not re.search(r"(src|href|url)\s*[=:]\s*[\"']//", answer.text)


async def test_everything_that_the_page_loads_is_served_by_this_server(site: Site) -> None:
    visitor = site.visitor()
    page = await visitor.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="(/[^"]*)"', page.text)
    assert "/docs/start.js" in loaded
    types = {".js": "javascript", "css": "text/css"}
    for path in loaded:
        answer = await visitor.get(path)
        assert answer.status_code == 200
        assert types[path[-3:]] in answer.headers["content-type"]
        assert answer.content


async def test_the_page_may_load_nothing_external(site: Site) -> None:
    policy = (await site.visitor().get("/docs")).headers["content-security-policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert not ADDRESS.search(policy)


async def test_the_pages_are_the_same_with_and_without_a_token(site: Site, mira: Person) -> None:
    for path in ("/openapi.json", "/docs", "/docs/start.js"):
        assert (await mira.get(path)).content == (await site.visitor().get(path)).content
