"""Checks every response that a test receives against the OpenAPI document."""

import re
from typing import Any

import httpx

# The headers of every response: described in the document's introduction, and checked by answers.py.
EVERYWHERE = {
    "cache-control",
    "content-security-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
}
# Headers of HTTP itself. Those of CORS are not documented either.
OF_HTTP = {"content-length", "content-type", "transfer-encoding", "vary"}


class Document:
    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._paths = [(re.compile(_pattern(path)), operations) for path, operations in content["paths"].items()]

    async def check(self, response: httpx.Response) -> None:
        """Assert that the operation documents the status, the media type and the headers of the response."""
        operation = self._operation(response.request)
        # None for 404 and 405 of the router, except at addresses that match a documented path with the same method.
        if operation is None:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{operation['operationId']} does not document {response.status_code}"
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in documented.get("content", {"": None}), (
            f"{operation['operationId']} does not document {media_type}"
        )
        self._check_headers(response, documented["headers"], operation["operationId"])

    def _check_headers(self, response: httpx.Response, documented: dict[str, Any], operation: str) -> None:
        """Assert that the required headers are sent, no undocumented ones, and that all match their patterns."""
        known = {name.lower(): self.content["components"]["headers"][name] for name in documented}
        sent = {name for name in response.headers if not name.startswith("access-control-")} - EVERYWHERE - OF_HTTP
        assert sent <= set(known), f"{operation} does not document {sent - set(known)}"
        required = {name for name, header in known.items() if header["required"]}
        assert required <= sent, f"{operation} lacks {required - sent}"
        for name in sent:
            assert re.search(known[name]["schema"]["pattern"], response.headers[name]), f"{operation}: {name}"

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for path, operations in self._paths:
            if path.fullmatch(request.url.path):
                return operations.get(request.method.lower())
        return None


def _pattern(path: str) -> str:
    # The only ids that are no UUIDs.
    own = re.escape(path).replace(re.escape("{response_id}"), "[^/]+")
    ids = re.sub(r"\\\{\w+_id\\\}", "[0-9a-fA-F-]{36}", own)
    return ids.replace(re.escape("{token}"), "[^/]+") + "/?"
