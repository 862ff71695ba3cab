"""Complete addresses of this server's own pages, for people to open elsewhere."""

from typing import Any

from litestar import Request

from parley.adapters.http.ports import HttpPorts


def absolute(url: str, request: Request[Any, Any, Any], ports: HttpPorts) -> str:
    """Complete a path on this server with PUBLIC_URL or, without one, the request's base URL."""
    if not url.startswith("/"):
        return url
    return (ports.public_url or str(request.base_url).rstrip("/")) + url
