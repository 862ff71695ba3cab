"""Ids of several rows in one column, each with a number, as text that Python reads."""

from typing import Any

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class numbered_ids(FunctionElement[str]):  # noqa: N801  SQL functions are spelt as in SQL
    """An aggregate: `number:id` of every row, with spaces between, in no order. None without rows."""

    type = String()
    inherit_cache = True

    def __init__(self, number: ColumnElement[int], id_: ColumnElement[Any]) -> None:
        super().__init__(number, id_)


@compiles(numbered_ids, "postgresql")
def _postgresql(element: numbered_ids, compiler: SQLCompiler, **options: Any) -> str:
    number, id_ = (compiler.process(part, **options) for part in element.clauses)
    return f"string_agg({number} || ':' || {id_}, ' ')"


@compiles(numbered_ids, "sqlite")
def _sqlite(element: numbered_ids, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite stores ids as 16 bytes.
    number, id_ = (compiler.process(part, **options) for part in element.clauses)
    return f"group_concat({number} || ':' || hex({id_}), ' ')"
