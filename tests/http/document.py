"""The OpenAPI document, held against every answer that a test gets."""

import re
from typing import Any

import httpx

# What can come of any request, and so stands at no operation.
ANYWHERE = {405, 500, 503}


class Document:
    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+_id\\\}", "[0-9a-fA-F-]{36}", re.escape(path)) + "/?"), operations)
            for path, operations in content["paths"].items()
        ]

    async def check(self, response: httpx.Response) -> None:
        """The status and the media type are among those that the document has for the operation."""
        operation = self._operation(response.request)
        if operation is None or response.status_code in ANYWHERE:
            return
        told = operation["responses"].get(str(response.status_code))
        assert told is not None, f"{operation['operationId']} does not tell of {response.status_code}"
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in told.get("content", {"": None}), (
            f"{operation['operationId']} does not tell of {media_type}"
        )

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for path, operations in self._paths:
            if path.fullmatch(request.url.path):
                return operations.get(request.method.lower())
        return None
