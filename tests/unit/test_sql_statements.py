"""No statement is written, compiled or chosen a text for on a request's way: each is a constant of its module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import parley.adapters.sql

FAMILY = Path(parley.adapters.sql.__file__).parent
ENGINE = FAMILY / "engine"
STORES = {
    path.relative_to(FAMILY).as_posix(): path for path in sorted(FAMILY.rglob("*.py")) if ENGINE not in path.parents
}
# Where statements are compiled, once each.
WRITERS = {"Statement", "Upsert", "database_time", "given", "literals"}
METHODS = {"where", "values", "returning", "order_by", "limit", "group_by", "with_for_update", "on_conflict_do_update"}
# alembic and `create_all` need SQLAlchemy's own engine.
OWN_ENGINE = "engine/sqlalchemy_connection.py"


def built_in_functions(source: str) -> list[str]:
    """What functions do at each call that belongs to the writing of a statement."""
    module = ast.parse(source)
    writers = WRITERS | {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
    }
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    calls = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [
        *(call.func.id for call in calls if isinstance(call.func, ast.Name) and call.func.id in writers),
        # Without arguments they are others' methods, such as a dictionary's `values`.
        *(
            call.func.attr
            for call in calls
            if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and (call.args or call.keywords)
        ),
    ]


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_stores_are_there():
    assert {"chat/messages.py", "billing/events.py", "accounts/sessions.py", "backlog.py"} <= STORES.keys()


@pytest.mark.parametrize("file", STORES)
def test_statements_are_constants(file):
    assert built_in_functions(STORES[file].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", [path.relative_to(FAMILY).as_posix() for path in sorted(FAMILY.rglob("*.py"))])
def test_requests_use_no_engine_of_sqlalchemy(file):
    if file == OWN_ENGINE:
        return
    modules = list(imported((FAMILY / file).read_text(encoding="utf-8")))
    engines = ("sqlalchemy.ext.asyncio", "sqlalchemy.orm", "sqlalchemy.create_engine")
    assert [module for module in modules if module.startswith(engines)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from sqlalchemy import select\nasync def get(self): return select(self.table)", ["select"]),
        ("from sqlalchemy import select as query\ndef get(): return query(1)", ["query"]),
        ("def get(page): return page.where(1)", ["where"]),
        ("def get(kept): return kept.values()", []),
        ("class A:\n    def get(self): return [Statement(each) for each in self.all]", ["Statement"]),
        ("def get():\n    def inner(): return literals('a')\n    return inner", ["literals", "literals"]),
        (
            "from sqlalchemy import select\nGET = Statement(select(1).where(2))\nasync def get(tx): await tx.all(GET)",
            [],
        ),
    ],
)
def test_every_way_to_build_one_is_seen(source, found):
    assert built_in_functions(source) == found
