"""The OpenAPI document: what Litestar makes of the routes, and what it leaves out.

The bodies are described by msgspec itself, which checks them: limits, descriptions and all.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import Struct

from parley.adapters.http.accounts.identity import EXACTLY_ONE, IdentityBody
from parley.adapters.http.openapi.document_tables import LINKS, PATHS, REQUESTS, STRIPE_EVENT
from parley.adapters.http.openapi.sent_headers import HEADERS, SENT

_SCHEMAS = "#/components/schemas/"
_NULL = {"type": "null"}
_METHODS = ("post", "get", "patch", "delete")


def openapi_document(app: Litestar) -> dict[str, Any]:
    document = app.openapi_schema.to_schema()
    schemas = _schemas(app)
    document["components"] |= {"schemas": schemas, "headers": HEADERS}
    document["paths"] = dict(sorted(document["paths"].items(), key=_place))
    for path, item in document["paths"].items():
        document["paths"][path] = {method: item[method] for method in _METHODS if method in item}
        for operation in item.values():
            if path.endswith("/webhook/stripe"):
                _take_events(operation)
            _complete(operation, schemas)
    return document


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Put together of the examples of its fields."""
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_SCHEMAS)], schemas)
    if schema["type"] == "array":
        return [example_of(schema["items"], schemas)]
    return {name: example_of(field, schemas) for name, field in schema["properties"].items()}


def _place(path: tuple[str, Any]) -> int:
    return PATHS.index(path[0]) if path[0] in PATHS else len(PATHS)


def _schemas(app: Litestar) -> dict[str, Any]:
    bodies = sorted(set(_bodies(app)), key=lambda body: body.__name__)
    _, schemas = msgspec.json.schema_components(bodies, ref_template=_SCHEMAS + "{name}")
    for body in bodies:
        if issubclass(body, IdentityBody):
            schemas[body.__name__] |= EXACTLY_ONE
    for schema in schemas.values():
        for field in schema["properties"].values():
            _describe_whole_field(field)
    return schemas


def _bodies(app: Litestar) -> Iterator[type[Struct]]:
    """Every type that a documented route takes or gives."""
    handlers = [handler for route in app.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers]
    for handler in handlers:
        if handler.resolve_include_in_schema():
            given = handler.parsed_return_field
            specified = [spec.data_container for spec in (handler.responses or {}).values()]
            taken = handler.parsed_data_field
            named = [given.annotation, *(inner.annotation for inner in given.inner_types), *specified]
            named += [] if taken is None else [taken.annotation]
            yield from (each for each in named if isinstance(each, type) and issubclass(each, Struct))


def _describe_whole_field(field: dict[str, Any]) -> None:
    """What is said of a text that may be null is said of the field."""
    for word in ("description", "examples"):
        if word in field.get("anyOf", [{}])[0]:
            said = field["anyOf"][0].pop(word)
            field.setdefault(word, said)


def _take_events(operation: dict[str, Any]) -> None:
    """The handler reads the body raw, since that is what is signed, and so Litestar knows of none."""
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": STRIPE_EVENT}}}
    operation["parameters"][0] |= {"required": True}
    del operation["parameters"][0]["schema"]["default"]


def _complete(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    name = operation["operationId"]
    for parameter in operation.get("parameters", []):
        _complete_parameter(parameter)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        shown = REQUESTS.get(name) or {"usual": example_of(content["schema"], schemas)}
        content["examples"] = {title: {"value": value} for title, value in shown.items()}
    for status, answer in operation["responses"].items():
        _complete_answer(answer, schemas)
        answer["headers"] = {
            header: {"$ref": f"#/components/headers/{header}"}
            for header in ("X-Request-ID", *SENT.get(status, ()), *SENT.get(f"{name} {status}", ()))
        }
        if links := LINKS.get(f"{name} {status}"):
            answer["links"] = links


def _complete_parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    # Left out or a text: an address and a header cannot hold null.
    for choice in schema.pop("oneOf", []):
        schema |= choice if choice != _NULL else {}
    schema.pop("description", None)
    # The schema's own stay: with these, the page would fill in even what is better left out, such as a cursor.
    parameter.pop("examples", None)


def _complete_answer(answer: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in answer.get("content", {}).values():
        if "examples" in content:
            content["examples"] = {example["summary"]: example for example in content["examples"].values()}
        elif "$ref" in content["schema"]:
            content["examples"] = {"usual": {"value": example_of(content["schema"], schemas)}}
            about = schemas[content["schema"]["$ref"].removeprefix(_SCHEMAS)]["description"]
            answer["description"] = about.partition("\n")[0]
    if "content" not in answer and answer["description"].startswith("Request fulfilled"):
        answer["description"] = "Done"
