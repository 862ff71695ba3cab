"""The OpenAPI document is complete: every input, field, header, answer and example of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parley.cli.admin import api_document
from tests.http.document import EVERYWHERE, Document

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
# Their order on the page is the order of this list.
TAGS = ["Sign-in", "Account", "Chatrooms", "Messages", "Models", "Subscription", "Operations"]


@pytest.fixture(scope="module")
def operations(document: Document) -> list[dict[str, Any]]:
    return [operation for item in document.content["paths"].values() for operation in item.values()]


@pytest.fixture(scope="module")
def schemas(document: Document) -> dict[str, Any]:
    return document.content["components"]["schemas"]


def fields(schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in schemas.items():
        for field, told in schema["properties"].items():
            yield f"{name}.{field}", told


def contents(operations: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What every operation takes and gives."""
    for operation in operations:
        for status, answer in {"body": operation.get("requestBody", {}), **operation["responses"]}.items():
            for content in answer.get("content", {}).values():
                yield f"{operation['operationId']} {status}", content


def refers(field: dict[str, Any]) -> bool:
    """To a schema whose own fields have examples."""
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


def test_every_body_and_every_answer_has_an_example(operations: list[dict[str, Any]]) -> None:
    assert [place for place, content in contents(operations) if not content.get("examples")] == []


def test_examples_have_the_fields_of_their_schemas(operations: list[dict[str, Any]], schemas: dict[str, Any]) -> None:
    for place, content in contents(operations):
        if "$ref" not in content["schema"]:
            continue
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        for shown in content["examples"].values():
            if isinstance(shown["value"], dict):
                assert set(shown["value"]) <= set(schema["properties"]), place
                assert set(schema.get("required", [])) <= set(shown["value"]), place


def test_every_answer_names_its_headers_and_each_is_described(
    document: Document, operations: list[dict[str, Any]]
) -> None:
    headers = document.content["components"]["headers"]
    named = {name for each in operations for answer in each["responses"].values() for name in answer["headers"]}
    assert named == set(headers)
    for header in headers.values():
        assert header["description"]
        assert header["example"]
        assert header["schema"]["pattern"]
    assert all("X-Request-ID" in answer["headers"] for each in operations for answer in each["responses"].values())


def test_the_headers_of_every_answer_are_named_at_its_head(document: Document) -> None:
    about = document.content["info"]["description"].lower()
    assert [name for name in EVERYWHERE if f"`{name}`" not in about] == []


def test_tags_stand_in_reading_order(document: Document) -> None:
    assert [tag["name"] for tag in document.content["tags"]] == TAGS


def test_aliases_come_after_what_they_stand_for(document: Document) -> None:
    """Within a tag."""
    seen: set[str] = set()
    for item in document.content["paths"].values():
        for operation in item.values():
            tag = operation["tags"][0]
            assert operation.get("deprecated") or tag not in seen, operation["operationId"]
            if operation.get("deprecated"):
                seen.add(tag)


def test_links_lead_to_operations_and_fill_in_what_they_take(operations: list[dict[str, Any]]) -> None:
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
