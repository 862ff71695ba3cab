"""Request paths in logs."""

from typing import Any


def loggable_path(scope: Any) -> str:
    """The path without the secret part of a sandbox page's address, which is all that its actions require."""
    path: str = scope["path"]
    return path if not path.startswith("/sandbox/") else "/".join([*path.split("/")[:3], "…"])
