"""Limits that keep the source easy to find one's way in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import parley.core

PACKAGE = Path(parley.core.__file__).parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES_IN_A_FILE = 300
MOST_LINES_IN_A_FUNCTION = 50
MOST_ENTRIES_AT_THE_TOP = 12
MOST_FILES_BESIDE_THE_FOLDERS_OF_HTTP = 14


def test_files_are_short():
    lengths = {path.relative_to(PACKAGE): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert {path: length for path, length in lengths.items() if length > MOST_LINES_IN_A_FILE} == {}


def test_functions_are_short():
    lengths = [(path.relative_to(PACKAGE), name, length) for path in FILES for name, length in functions(path)]

    assert [each for each in lengths if each[-1] > MOST_LINES_IN_A_FUNCTION] == []


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_are_few_entries_at_the_top():
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= MOST_ENTRIES_AT_THE_TOP


def test_there_are_few_files_beside_the_folders_of_http():
    assert len(list((PACKAGE / "adapters" / "http").glob("*.py"))) <= MOST_FILES_BESIDE_THE_FOLDERS_OF_HTTP
