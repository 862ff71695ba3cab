"""The OpenAPI document, held against every answer that a test gets."""

import re
from typing import Any

import httpx

# What every answer carries, said once at the head of the document and checked for every answer: see answers.py.
EVERYWHERE = {
    "cache-control",
    "content-security-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
}
# HTTP's own, and those of CORS, which are between a browser and its page.
OF_HTTP = {"content-length", "content-type", "transfer-encoding", "vary"}


class Document:
    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+_id\\\}", "[0-9a-fA-F-]{36}", re.escape(path)) + "/?"), operations)
            for path, operations in content["paths"].items()
        ]

    async def check(self, response: httpx.Response) -> None:
        """The status, the media type and the headers are those that the document has for the operation."""
        operation = self._operation(response.request)
        # An address that does not know the method is no operation's; some look like a chatroom's, and those tell.
        if operation is None:
            return
        told = operation["responses"].get(str(response.status_code))
        assert told is not None, f"{operation['operationId']} does not tell of {response.status_code}"
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in told.get("content", {"": None}), (
            f"{operation['operationId']} does not tell of {media_type}"
        )
        self._check_headers(response, told["headers"], operation["operationId"])

    def _check_headers(self, response: httpx.Response, told: dict[str, Any], operation: str) -> None:
        """Those that are told of are there, as they are told of, and no others."""
        known = {name.lower(): self.content["components"]["headers"][name] for name in told}
        sent = {name for name in response.headers if not name.startswith("access-control-")} - EVERYWHERE - OF_HTTP
        assert sent <= set(known), f"{operation} does not tell of {sent - set(known)}"
        needed = {name for name, header in known.items() if header["required"]}
        assert needed <= sent, f"{operation} lacks {needed - sent}"
        for name in sent:
            assert re.search(known[name]["schema"]["pattern"], response.headers[name]), f"{operation}: {name}"

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for path, operations in self._paths:
            if path.fullmatch(request.url.path):
                return operations.get(request.method.lower())
        return None
