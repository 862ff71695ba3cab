"""Request paths in logs."""

from typing import Any

# What follows these words, and a number of further parts, in a path is all that its actions require.
_BEFORE_A_SECRET = {"sandbox": 1, "shared": 0}


def loggable_path(scope: Any) -> str:
    """The path without the secret part of the address of a shared conversation or of a sandbox page."""
    path: str = scope["path"]
    parts = path.split("/")
    for index, part in enumerate(parts):
        shown = index + 1 + _BEFORE_A_SECRET.get(part.lower(), len(parts))
        if shown < len(parts):
            return "/".join([*parts[:shown], "…"])
    return path
