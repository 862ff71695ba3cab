"""What modules may import: the core nothing from outside, and all of parley nothing that Windows lacks."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import parley.core

CORE = Path(parley.core.__file__).parent
PACKAGE = CORE.parent
FILES = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(CORE.rglob("*.py"))}
# Modules of the standard library that exist on POSIX systems only.
POSIX_ONLY = {
    "crypt",
    "fcntl",
    "grp",
    "nis",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "spwd",
    "syslog",
    "termios",
    "tty",
}


def imported(source: str) -> Iterator[str]:
    """Every module that the source names in an import, wherever that stands; a relative one by its dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `from parley import x` names a module too.
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def is_allowed(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names or module.startswith("parley.core.")


def test_core_is_there():
    assert {"parley/core/chat/ports.py", "parley/core/billing/model.py", "parley/core/accounts/ports.py"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_core_imports_the_standard_library_and_itself(file):
    outside = [module for module in imported(FILES[file].read_text(encoding="utf-8")) if not is_allowed(module)]

    assert outside == []


def test_no_module_is_imported_that_windows_lacks():
    files = {
        path: {module.partition(".")[0] for module in imported(path.read_text())} for path in PACKAGE.rglob("*.py")
    }

    assert {path.name: modules & POSIX_ONLY for path, modules in files.items() if modules & POSIX_ONLY} == {}


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import msgspec, asyncio", ["msgspec", "asyncio"]),
        ("from sqlalchemy.ext import asyncio as a", ["sqlalchemy.ext.asyncio"]),
        ("from parley import settings", ["parley.settings"]),
        (
            "from parley.adapters.sql.chat.unit_of_work import SqlRooms",
            ["parley.adapters.sql.chat.unit_of_work.SqlRooms"],
        ),
        ("from . import x\nfrom ..y import z", ["..x", "..y.z"]),
        ("def f():\n    if True:\n        import redis", ["redis"]),
    ],
)
def test_every_form_of_import_is_seen(source, modules):
    assert list(imported(source)) == modules
    assert not all(is_allowed(module) for module in imported(source))
