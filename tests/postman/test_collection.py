"""The Postman collection beside the OpenAPI document: it has every operation, and nothing that is not there."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.e2e.process import run_parley
from tests.postman.collection import Sent, environment_variables, read_collection, requests

FOLDERS = [
    "Sign in",
    "Account",
    "Models",
    "Chatrooms",
    "Messages",
    "Errors worth seeing",
    "Subscription",
    "Deprecated aliases",
    "Operator",
    "Operations",
    "Erase",
]
# Addresses out of an answer: a stream with its ticket, and the sandbox's pages, which the document leaves out.
GIVEN = {"{{stream_url}}", "{{checkout_url}}", "{{portal_url}}"}
COLLECTION = read_collection()
REQUESTS = requests(COLLECTION)

Operations = dict[tuple[str, str], dict[str, Any]]
each_request = pytest.mark.parametrize("request_", REQUESTS, ids=lambda sent: f"{sent.folder}: {sent.name}")


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Operations:
    code, out, err = asyncio.run(run_parley(tmp_path_factory.mktemp("document"), "openapi"))
    assert code == 0, err
    paths = json.loads(out)["paths"]
    return {(method.upper(), path): operation for path, item in paths.items() for method, operation in item.items()}


def operation_of(sent: Sent, operations: Operations) -> tuple[str, str] | None:
    """The most literal one wins: /chatroom/usage is no chatroom."""
    fitting = [each for each in operations if each[0] == sent.method and fits(sent.path, each[1])]
    return min(fitting, key=lambda each: each[1].count("{"), default=None)


def fits(path: str | None, template: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", r"(\\{\\{\\w+\\}\\}|[0-9a-f-]{36})", re.escape(template))
    return path is not None and re.fullmatch(pattern, path) is not None


def requests_of(operations: Operations) -> dict[tuple[str, str], list[Sent]]:
    found: dict[tuple[str, str], list[Sent]] = {each: [] for each in operations}
    for sent in REQUESTS:
        operation = operation_of(sent, operations)
        if operation is not None:
            found[operation].append(sent)
    return found


def test_it_is_of_schema_2_1_with_an_environment_for_the_servers_default_address() -> None:
    assert COLLECTION["info"]["schema"] == "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    assert environment_variables()["base_url"] == "http://127.0.0.1:8000"


def test_its_folders_are_in_reading_order_and_each_is_described() -> None:
    assert [folder["name"] for folder in COLLECTION["item"]] == FOLDERS
    assert all(folder["description"] for folder in COLLECTION["item"])


def test_it_has_every_operation_of_the_document(operations: Operations) -> None:
    assert [operation for operation, sent in requests_of(operations).items() if not sent] == []


def test_an_operation_is_shown_where_it_works_and_not_only_among_the_errors(operations: Operations) -> None:
    for operation, sent in requests_of(operations).items():
        assert {each.folder for each in sent} - {"Errors worth seeing"}, operation


def test_it_has_every_parameter_of_the_document_if_only_switched_off(operations: Operations) -> None:
    for operation, sent in requests_of(operations).items():
        documented = {each["name"] for each in operations[operation].get("parameters", []) if each["in"] != "path"}
        assert documented <= {name for each in sent for name in each.parameters}, operation


def test_it_has_a_body_wherever_the_document_requires_one(operations: Operations) -> None:
    for operation, sent in requests_of(operations).items():
        if operations[operation].get("requestBody", {}).get("required"):
            assert all('"body"' in each.content for each in sent), operation


def test_it_asks_for_nothing_that_the_document_does_not_know_but_to_show_an_error(operations: Operations) -> None:
    unknown = [sent for sent in REQUESTS if sent.path is not None and operation_of(sent, operations) is None]
    assert {sent.folder for sent in unknown} <= {"Errors worth seeing"}
    assert {sent.name[:3] for sent in unknown} <= {"404", "405"}


def test_any_other_address_is_one_that_the_server_gave() -> None:
    assert {re.split("[/?]", sent.address)[0] for sent in REQUESTS if sent.path is None} == GIVEN


def test_deprecated_operations_have_a_folder_of_their_own(operations: Operations) -> None:
    for operation, sent in requests_of(operations).items():
        deprecated = operations[operation].get("deprecated", False)
        assert all((each.folder == "Deprecated aliases") == deprecated for each in sent), operation


def test_what_needs_no_token_is_sent_without_and_all_else_with_that_of_the_collection(operations: Operations) -> None:
    assert COLLECTION["auth"]["bearer"][0]["value"] == "{{access_token}}"
    for operation, sent in requests_of(operations).items():
        open_to_all = not operations[operation].get("security")
        assert all(each.public == open_to_all for each in sent if not each.name.startswith("401")), operation


@each_request
def test_every_request_is_described_and_tested(request_: Sent) -> None:
    assert request_.description.endswith(".")
    assert request_.tests.count("pm.test(") >= 2
    assert "pm.response.to.have.status(" in request_.tests
    assert "Content-Type" in request_.tests or "there is no body" in request_.tests


def test_names_are_told_apart_within_a_folder() -> None:
    names = [(sent.folder, sent.name) for sent in REQUESTS]
    assert len(set(names)) == len(names)


def test_every_variable_has_a_value_by_the_time_it_is_used() -> None:
    known = set(environment_variables())
    for sent in REQUESTS:
        assert sent.used <= known, sent.name
        known |= sent.set_before
        assert sent.read_by_tests <= known, sent.name
        known |= sent.set_after
    assert "access_token" in known


def test_the_collection_declares_what_its_scripts_set_and_carries_no_values() -> None:
    declared = {each["key"]: each["value"] for each in COLLECTION["variable"]}
    assert set(declared) == {name for sent in REQUESTS for name in (*sent.set_before, *sent.set_after)}
    assert set(declared.values()) == {""}
    assert not set(declared) & set(environment_variables())


def test_every_variable_is_used() -> None:
    used = {name for sent in REQUESTS for name in (*sent.used, *sent.set_before, *sent.read_by_tests)}
    given = {*environment_variables(), *(each["key"] for each in COLLECTION["variable"])}
    assert given - used <= {"access_token"}


def test_the_run_ends_with_the_account_erased() -> None:
    assert (REQUESTS[-1].method, REQUESTS[-1].path) == ("DELETE", "/user/me")
