"""Packages that libraries import wherever they are installed, and of which parley uses nothing in an API process."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

# Litestar and advanced-alchemy import attrs and pydantic, structlog imports rich, and PyJWT imports cryptography.
# Without these they do all that parley asks of them.
UNUSED = ("attr", "cryptography", "pydantic", "rich")


@contextmanager
def without_optional_packages() -> Generator[None, None, None]:
    """What is imported in this block finds none of these packages, which saves 20 MB and a part of the start.

    One that is loaded already stays. After the block, whatever needs one of them imports it as usual.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in UNUSED if name not in modules]
    # None means that there is no such module (Python's reference, 5.3.1).
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
