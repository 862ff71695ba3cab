"""The OpenAPI document is complete: every parameter, field, header, response and example."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parley.cli.admin import api_document
from tests.http.document import EVERYWHERE, Document

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
# In the order of the documentation page.
ALIASES = {
    "/auth/me": "/user/me",
    "/chatroom/usage": "/user/usage",
    "/subscription/{plan}": "/subscribe/{plan}",
    "/payments/subscribe/{plan}": "/subscribe/{plan}",
    "/subscribe/status": "/subscription/status",
    "/payments/subscription/status": "/subscription/status",
    "/payments/webhook/stripe": "/webhook/stripe",
}
TAGS = [
    "Sign-in",
    "Account",
    "Chatrooms",
    "Messages",
    "Models",
    "OpenAI",
    "AI SDK",
    "Subscription",
    "Operator",
    "Operations",
]


@pytest.fixture(scope="module")
def operations(document: Document) -> list[dict[str, Any]]:
    return [operation for item in document.content["paths"].values() for operation in item.values()]


@pytest.fixture(scope="module")
def schemas(document: Document) -> dict[str, Any]:
    return document.content["components"]["schemas"]


def fields(schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in schemas.items():
        for field, content in schema["properties"].items():
            yield f"{name}.{field}", content


def contents(operations: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The contents of all request bodies and responses."""
    for operation in operations:
        for status, answer in {"body": operation.get("requestBody", {}), **operation["responses"]}.items():
            for content in answer.get("content", {}).values():
                yield f"{operation['operationId']} {status}", content


def refers(field: dict[str, Any]) -> bool:
    """Whether the field refers to a schema, whose own fields have examples."""
    return "$ref" in field or "$ref" in field.get("items", {})


def test_the_committed_document_is_what_the_server_serves() -> None:
    """`just openapi` writes it."""
    written = json.dumps(api_document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert COMMITTED.read_text() == written


def test_every_schema_and_every_field_is_described(schemas: dict[str, Any]) -> None:
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []
    assert [name for name, field in fields(schemas) if not field.get("description")] == []


def test_every_field_has_an_example(schemas: dict[str, Any]) -> None:
    assert [name for name, field in fields(schemas) if not field.get("examples") and not refers(field)] == []


def test_every_parameter_is_described_and_has_an_example(operations: list[dict[str, Any]]) -> None:
    for operation in operations:
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (operation["operationId"], parameter["name"])
            assert parameter["schema"]["examples"], (operation["operationId"], parameter["name"])


def test_every_operation_is_described(operations: list[dict[str, Any]]) -> None:
    assert [each["operationId"] for each in operations if not each.get("description")] == []
    unclear = [
        (each["operationId"], status)
        for each in operations
        for status, answer in each["responses"].items()
        if not answer["description"] or answer["description"].startswith(("Request fulfilled", "Document created"))
    ]
    assert unclear == []


def test_every_body_and_every_response_has_an_example(operations: list[dict[str, Any]]) -> None:
    assert [name for name, content in contents(operations) if not content.get("examples")] == []


def test_examples_have_the_fields_of_their_schemas(operations: list[dict[str, Any]], schemas: dict[str, Any]) -> None:
    for name, content in contents(operations):
        if "$ref" not in content["schema"]:
            continue
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        for shown in content["examples"].values():
            if isinstance(shown["value"], dict):
                assert set(shown["value"]) <= set(schema["properties"]), name
                assert set(schema.get("required", [])) <= set(shown["value"]), name


def test_every_response_documents_its_headers(document: Document, operations: list[dict[str, Any]]) -> None:
    headers = document.content["components"]["headers"]
    named = {name for each in operations for answer in each["responses"].values() for name in answer["headers"]}
    assert named == set(headers)
    for header in headers.values():
        assert header["description"]
        assert header["example"]
        assert header["schema"]["pattern"]
    assert all("X-Request-ID" in answer["headers"] for each in operations for answer in each["responses"].values())


def test_the_introduction_names_the_headers_of_every_response(document: Document) -> None:
    about = document.content["info"]["description"].lower()
    assert [name for name in EVERYWHERE if f"`{name}`" not in about] == []


def test_tags_are_in_reading_order(document: Document) -> None:
    assert [tag["name"] for tag in document.content["tags"]] == TAGS


def test_operations_are_in_the_order_of_the_source_and_aliases_come_last(operations: list[dict[str, Any]]) -> None:
    ids = [each["operationId"] for each in operations if not each["deprecated"]]
    assert ids[:7] == ["signUp", "sendOtp", "verifyOtp", "logIn", "refresh", "logOut", "listSessions"]
    assert ids.index("getUsage") < ids.index("getChatUsage")
    assert ids[-1] == "readMetrics"
    assert all(each["deprecated"] for each in operations[len(ids) :])


def test_an_alias_refers_to_the_preferred_path(document: Document) -> None:
    for alias, preferred in ALIASES.items():
        [(method, operation)] = document.content["paths"][alias].items()
        original = document.content["paths"][preferred][method]
        differing = {key for key in operation if operation[key] != original[key]}
        assert differing <= {"operationId", "summary", "description", "deprecated"}
        assert operation["summary"] == f"As {preferred}"


def test_links_lead_to_operations_and_fill_in_their_parameters(operations: list[dict[str, Any]]) -> None:
    known = {operation["operationId"]: operation for operation in operations}
    links = [
        link
        for each in operations
        for answer in each["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) >= 13
    for link in links:
        parameters = {parameter["name"] for parameter in known[link["operationId"]].get("parameters", [])}
        assert set(link.get("parameters", {})) <= parameters
        assert link["description"]
