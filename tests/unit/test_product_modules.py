"""The wheel, which contains src/parley, has no module, function, class or constant that only tests import."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import parley

ROOT = Path(parley.__file__).parent
# The command line, the ASGI application and the taskiq worker: the modules that processes start with.
ENTRY_POINTS = ("parley.cli.commands", "parley.asgi", "parley.worker")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}


def imported(tree: ast.Module) -> Iterator[str]:
    """The names of all imports, also of those inside functions. `from a import b` may import the module a.b."""
    for node in ast.walk(tree):
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
        names = imported(MODULES[module])
        waiting |= {each for name in names for each in with_packages(name) if each in MODULES} - found
    return found


def defined(tree: ast.Module) -> Iterator[str]:
    """The functions, classes and constants of a module, without those that a decorator may register somewhere."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
            yield from names - {"__all__"}


def read(tree: ast.Module) -> set[str]:
    """The names that code reads, and quoted types."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names | {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def unused(modules: Mapping[str, ast.Module]) -> set[str]:
    """The names that are not read in their own module, imported by another one, or read as an attribute of anything."""
    imports = {name for tree in modules.values() for name in imported(tree)}
    attributes = {node.attr for tree in modules.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {
        f"{module}.{name}"
        for module, tree in modules.items()
        for name in set(defined(tree)) - read(tree) - attributes
        if f"{module}.{name}" not in imports
    }


def test_every_module_is_imported_from_an_entry_point():
    assert sorted(MODULES.keys() - reachable(*ENTRY_POINTS)) == []


def test_every_name_of_a_module_is_used_in_the_product():
    assert unused(MODULES) == set()


def test_module_that_no_entry_point_needs_is_noticed():
    assert MODULES.keys() - reachable("parley.core.errors") >= {"parley.cli", "parley.adapters.memory.queue"}


def test_name_that_only_tests_import_is_noticed():
    a = "ONE = 1\nTWO = ONE\ndef three(): ...\nasync def four(): ...\nclass Five: ...\nx: 'Five'\ndef six(): ..."
    b = "import a\ndef lazy():\n    from a import TWO, four\nprint(lazy, a.six)"
    assert unused({"a": ast.parse(a), "b": ast.parse(b)}) == {"a.three", "a.x"}


def test_lazy_imports_are_found():
    assert list(imported(ast.parse("def f():\n    from a.b import c\n    import d.e"))) == ["a.b.c", "d.e"]
