"""The OpenAPI document: what Litestar generates from the routes, with the schemas of bodies from msgspec.

msgspec validates the bodies; Litestar's own schemas lose its constraints and descriptions.
"""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from parley.adapters.http.envelope import REQUEST_ID
from parley.adapters.http.errors import PROBLEM_HEADERS

_SCHEMAS = "#/components/schemas/"
_HEADERS = "#/components/headers/"
_NULL = {"type": "null"}


def openapi_document(app: Litestar) -> dict[str, Any]:
    document = app.openapi_schema.to_schema()
    schemas = _schemas(app)
    headers: dict[str, Any] = {}
    for item in document["paths"].values():
        for operation in item.values():
            _complete_operation(operation, schemas, headers)
    document["paths"] = _sorted_paths(app, document["paths"])
    document["components"] |= {"schemas": schemas, "headers": headers}
    return document


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example of a schema, assembled from the examples of its fields."""
    for choices in ("examples", "enum"):
        if choices in schema:
            return schema[choices][0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].removeprefix(_SCHEMAS)], schemas)
    if schema.get("type", "null") == "null":
        return None
    if schema["type"] == "array":
        return [example_of(schema["items"], schemas)]
    return {name: example_of(field, schemas) for name, field in schema["properties"].items()}


def _routes(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every documented path with each of its handlers."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    yield route.path_format, handler


def _sorted_paths(app: Litestar, paths: dict[str, Any]) -> dict[str, Any]:
    """Operations by file in the order of registration, then as the file has them; deprecated aliases come last.

    Litestar sorts the handlers of a controller by name, and keeps the paths of a handler in a set.
    """
    routes = list(_routes(app))
    files = list(dict.fromkeys(handler.fn.__module__ for _, handler in routes))
    entries = []
    for path, handler in routes:
        function: Any = handler.fn
        position = files.index(function.__module__), function.__code__.co_firstlineno
        for method in map(str.lower, handler.http_methods):
            operation = paths[path][method]
            is_alias = operation["summary"] != handler.summary
            entries.append((operation["deprecated"], *position, is_alias, path, method, operation))
    ordered: dict[str, Any] = {}
    for *_, path, method, operation in sorted(entries, key=lambda entry: entry[:-1]):
        ordered.setdefault(path, {})[method] = operation
    return ordered


def _schemas(app: Litestar) -> dict[str, Any]:
    """The schemas of all bodies; a Struct may have its own `extra_json_schema`."""
    bodies = sorted(set(_bodies(app)), key=lambda body: body.__name__)
    _, schemas = msgspec.json.schema_components(bodies, ref_template=_SCHEMAS + "{name}")
    for body in bodies:
        schemas[body.__name__] |= getattr(body, "extra_json_schema", {})
    for schema in schemas.values():
        for field in schema["properties"].values():
            _describe_nullable(field)
    return schemas


def _bodies(app: Litestar) -> Iterator[type[Struct]]:
    """Every Struct that a documented route accepts or returns."""
    for _, handler in _routes(app):
        returned, data = handler.parsed_return_field, handler.parsed_data_field
        types = [returned.annotation, *(inner.annotation for inner in returned.inner_types)]
        types += [spec.data_container for spec in (handler.responses or {}).values()]
        types += [] if data is None else [*get_args(data.annotation), data.annotation]
        yield from (each for each in types if isinstance(each, type) and issubclass(each, Struct))


def _describe_nullable(field: dict[str, Any]) -> None:
    """Move the documentation of a nullable field's first type to the field itself."""
    for keyword in ("description", "examples"):
        if keyword in field.get("anyOf", [{}])[0]:
            field.setdefault(keyword, field["anyOf"][0].pop(keyword))


def _complete_operation(operation: dict[str, Any], schemas: dict[str, Any], headers: dict[str, Any]) -> None:
    """Complete it in place, and add the headers of its responses to `headers`."""
    for parameter in operation.get("parameters", []):
        _complete_parameter(parameter)
    body = operation.get("requestBody", {})
    for content in body.get("content", {}).values():
        if _NULL in content["schema"].get("oneOf", []):
            # An optional body is left out, or an object.
            content["schema"], body["required"] = content["schema"]["oneOf"][0], False
        content.setdefault("examples", {"usual": {"value": example_of(content["schema"], schemas)}})
    for status, response in operation["responses"].items():
        _complete_response(response, schemas)
        sent = {"X-Request-ID": REQUEST_ID} | PROBLEM_HEADERS.get(status, {}) | response.get("headers", {})
        headers |= sent
        response["headers"] = {name: {"$ref": _HEADERS + name} for name in sent}


def _complete_parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    # An optional parameter is left out: a query and a header cannot hold null.
    for choice in schema.pop("oneOf", []):
        schema |= choice if choice != _NULL else {}
    schema.pop("description", None)
    # The schema keeps its examples: with these, Swagger UI would fill in parameters that are better left out.
    parameter.pop("examples", None)


def _complete_response(response: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in response.get("content", {}).values():
        if "examples" in content:
            content["examples"] = {example["summary"]: example for example in content["examples"].values()}
        elif "$ref" in content["schema"]:
            content["examples"] = {"usual": {"value": example_of(content["schema"], schemas)}}
            documentation = schemas[content["schema"]["$ref"].removeprefix(_SCHEMAS)]["description"]
            response["description"] = documentation.partition("\n")[0]
    if "content" not in response and response["description"].startswith("Request fulfilled"):
        response["description"] = "Done"
