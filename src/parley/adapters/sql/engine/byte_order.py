"""Comparing and ordering texts by their bytes, under every collation of the database.

On PostgreSQL by an index with `text_pattern_ops`, which has the only order in which a range is all texts with one
beginning. SQLite always compares bytes.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# Greater than every character of a text.
LAST_CHARACTER = "\U0010ffff"


class bytes_compare(FunctionElement[bool]):  # noqa: N801  SQL functions are spelt as in SQL
    """`sign` is one of < > <= >=."""

    type = Boolean()
    inherit_cache = False

    def __init__(self, text: ColumnElement[Any], sign: str, other: ColumnElement[Any]) -> None:
        super().__init__(text, other)
        self.sign = sign


class in_byte_order(FunctionElement[str]):  # noqa: N801  as above
    """For ORDER BY, the least first."""

    type = String()
    inherit_cache = True


@compiles(bytes_compare, "postgresql")
def _compare_postgresql(element: bytes_compare, compiler: SQLCompiler, **options: Any) -> str:
    text, other = (compiler.process(part, **options) for part in element.clauses)
    return f"{text} ~{element.sign}~ {other}"


@compiles(bytes_compare, "sqlite")
def _compare_sqlite(element: bytes_compare, compiler: SQLCompiler, **options: Any) -> str:
    text, other = (compiler.process(part, **options) for part in element.clauses)
    return f"{text} {element.sign} {other}"


@compiles(in_byte_order, "postgresql")
def _order_postgresql(element: in_byte_order, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} USING ~<~"


@compiles(in_byte_order, "sqlite")
def _order_sqlite(element: in_byte_order, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))
