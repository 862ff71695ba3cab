"""Paths in logs."""

from typing import Any


def loggable_path(scope: Any) -> str:
    """The path as a log may show it: that of a sandbox page is all it takes to press its buttons."""
    path: str = scope["path"]
    return path if not path.startswith("/sandbox/") else "/".join([*path.split("/")[:3], "…"])
