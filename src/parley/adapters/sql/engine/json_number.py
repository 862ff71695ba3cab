"""Looking a number up in a JSON document that is a parameter, by keys that are expressions."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class JsonNumber(FunctionElement[int]):
    """`document[key][name]` as a whole number; NULL if it is missing or null. Keys have no quotation marks."""

    type = BigInteger()
    inherit_cache = True

    def __init__(self, document: ColumnElement[str], key: ColumnElement[str], name: ColumnElement[str]) -> None:
        super().__init__(document, key, name)


@compiles(JsonNumber, "postgresql")
def _postgresql(element: JsonNumber, compiler: SQLCompiler, **kw: Any) -> str:
    document, key, name = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(CAST({document} AS JSONB) -> {key} ->> {name} AS BIGINT)"


@compiles(JsonNumber, "sqlite")
def _sqlite(element: JsonNumber, compiler: SQLCompiler, **kw: Any) -> str:
    document, key, name = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"""json_extract({document}, '$."' || {key} || '".' || {name})"""
