"""The wheel, which contains src/parley, has no module that only tests import."""

import ast
from collections.abc import Iterator
from pathlib import Path

import parley

ROOT = Path(parley.__file__).parent
# The command line, the ASGI application and the taskiq worker: the modules that processes start with.
ENTRY_POINTS = ("parley.cli", "parley.asgi", "parley.worker")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imported(source: str) -> Iterator[str]:
    """The names of all imports, also of those inside functions. `from a import b` may import the module a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not resolved here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def with_packages(name: str) -> Iterator[str]:
    """The module and the packages that Python imports before it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def reachable(*entry_points: str) -> set[str]:
    found: set[str] = set()
    waiting = {module for name in entry_points for module in with_packages(name)}
    while waiting:
        module = waiting.pop()
        found.add(module)
        names = imported(MODULES[module].read_text(encoding="utf-8"))
        waiting |= {each for name in names for each in with_packages(name) if each in MODULES} - found
    return found


def test_every_module_is_imported_from_an_entry_point():
    assert sorted(MODULES.keys() - reachable(*ENTRY_POINTS)) == []


def test_module_that_no_entry_point_needs_is_noticed():
    assert MODULES.keys() - reachable("parley.core.errors") >= {"parley.cli", "parley.adapters.memory.queue"}


def test_lazy_imports_are_found():
    assert list(imported("def f():\n    from a.b import c\n    import d.e")) == ["a.b.c", "d.e"]
