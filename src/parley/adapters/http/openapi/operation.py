"""What a handler states for the OpenAPI document beyond its types: examples, headers, links and aliases."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation
from litestar.types.internal_types import PathParameterDefinition

Header = dict[str, Any]
Edit = Callable[[dict[str, Any]], None]


def operation(
    *,
    examples: Mapping[str, Any] | None = None,
    headers: Mapping[int, Mapping[str, Header]] | None = None,
    links: Mapping[int, Mapping[str, dict[str, Any]]] | None = None,
    edit: Edit | None = None,
) -> type[Operation]:
    """The `operation_class` of a handler with examples of its request body, and headers and links by status.

    `edit` changes it last.
    """

    def edit_all(schema: dict[str, Any]) -> None:
        if examples:
            for content in schema["requestBody"]["content"].values():
                content["examples"] = {name: {"value": value} for name, value in examples.items()}
        for status, sent in (headers or {}).items():
            schema["responses"][str(status)]["headers"] = dict(sent)
        for status, leads in (links or {}).items():
            schema["responses"][str(status)]["links"] = dict(leads)
        if edit is not None:
            edit(schema)

    return _edited(edit_all)


def aliased(
    operation_ids: Mapping[str, str],
    *,
    deprecated: bool = True,
    description: str = "For clients that use this spelling.",
    edit: Edit | None = None,
) -> dict[str, Any]:
    """Keyword arguments of a route that has aliases: its paths, the first of which is preferred, with their ids.

    `edit` changes the operation of every path.
    """
    preferred, *_ = operation_ids

    def operation_id(
        _handler: HTTPRouteHandler, _method: HttpMethod, components: list[str | PathParameterDefinition]
    ) -> str:
        parts = (each if isinstance(each, str) else f"{{{each.full}}}" for each in components)
        return operation_ids["/" + "/".join(parts)]

    def edit_alias(schema: dict[str, Any]) -> None:
        if edit is not None:
            edit(schema)
        if schema["operationId"] != operation_ids[preferred]:
            # Litestar writes a parameter with its type, OpenAPI without.
            shown = re.sub(r":\w+}", "}", preferred)
            schema |= {"summary": f"As {shown}", "description": description, "deprecated": deprecated}

    return {"path": [*operation_ids], "operation_id": operation_id, "operation_class": _edited(edit_alias)}


def header(description: str, example: str, pattern: str, *, always: bool = True) -> Header:
    """A response header; `pattern` is a regular expression for the whole value."""
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"description": description, "required": always, "schema": schema, "example": example}


def link(operation_id: str, description: str, **filled: Any) -> dict[str, Any]:
    """Leads to another operation; `filled` is the `parameters` or `requestBody` to send there."""
    return {"operationId": operation_id, "description": description, **filled}


def _edited(edit: Edit) -> type[Operation]:
    class EditedOperation(Operation):
        def to_schema(self) -> dict[str, Any]:
            schema = super().to_schema()
            edit(schema)
            return schema

    return EditedOperation
