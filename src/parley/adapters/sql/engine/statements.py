"""Statements that SQLAlchemy Core writes once, as constants of a module, and that drivers run as text.

Building or compiling a statement costs more than running it, so nothing here happens twice for one statement.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Executable,
    String,
    Table,
    bindparam,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite3_dialect

# asyncpg converts every type of the schema; sqlite3 needs SQLAlchemy's processors for ids, times and booleans.
POSTGRESQL: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]
SQLITE: Dialect = sqlite3_dialect(paramstyle="qmark")

Processor = Callable[[Any], Any]
Insert = postgresql.Insert


class Statement:
    """One statement for both databases: a constant of its module. Values are given by the names of its bindparams."""

    def __init__(self, written: Executable) -> None:
        self._written = {POSTGRESQL.name: written, SQLITE.name: written}
        self._compiled: dict[str, CompiledStatement] = {}

    def compiled(self, dialect: Dialect) -> "CompiledStatement":
        known = self._compiled.get(dialect.name)
        if known is None:
            known = self._compiled[dialect.name] = _compile(self._written[dialect.name], dialect)
        return known


class PerDatabase(Statement):
    """A statement that the two databases spell differently."""

    def __init__(self, *, postgresql: Executable, sqlite: Executable) -> None:
        super().__init__(postgresql)
        self._written[SQLITE.name] = sqlite


class Upsert(Statement):
    """An INSERT with ON CONFLICT, which SQLAlchemy writes with another class for each database."""

    def __init__(self, table: Table, write: Callable[[Insert], Executable]) -> None:
        # The two classes have the same methods here, though no common type.
        super().__init__(write(postgresql.insert(table)))
        self._written[SQLITE.name] = write(sqlite.insert(table))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CompiledStatement:
    """The text for one database, what turns named values into its parameters, and its rows into Python's types."""

    text: str
    names: frozenset[str]
    # Name, conversion, and the converted value of a constant, which has no name.
    parameters: tuple[tuple[str | None, Processor | None, Any], ...]
    # None: rows are used as the driver returns them.
    read_row: Callable[[Sequence[Any]], Any] | None

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        if values.keys() != self.names:
            raise TypeError(f"{sorted(values)} given for {sorted(self.names)}")
        return [
            constant if name is None else values[name] if process is None else process(values[name])
            for name, process, constant in self.parameters
        ]

    def rows(self, rows: list[Any]) -> list[Any]:
        return rows if self.read_row is None else [self.read_row(row) for row in rows]


def given(*columns: str) -> dict[str, BindParameter[Any]]:
    """For `values`: each column gets the value of its name."""
    return {column: bindparam(column) for column in columns}


def unseen(bind: BindParameter[Any]) -> ColumnElement[Any]:
    """The parameter, hidden from PostgreSQL's planner.

    The server makes a new plan for each execution, which can cost more than to run it, as long as it expects plans for
    the values that it sees to be better than one for all values.
    """
    return select(bind).scalar_subquery()


def literals(*words: str) -> list[ColumnElement[str]]:
    """Literals, not parameters: a partial index is used only if the query repeats its condition with literals."""
    return [literal_column(f"'{word}'", String()) for word in words]


def _compile(written: Executable, dialect: Dialect) -> CompiledStatement:
    compiled: Any = written.compile(dialect=dialect)  # type: ignore[attr-defined]
    if "POSTCOMPILE" in compiled.string:
        raise TypeError("its text depends on its values: write IN with literals or with a subquery")
    binds = [compiled.binds[name] for name in compiled.positiontup or ()]
    return CompiledStatement(
        compiled.string,
        frozenset(bind.key for bind in binds if bind.required),
        tuple(_parameter(bind, _bind_processor(bind.type, dialect)) for bind in binds),
        _row_reader(written, dialect) if dialect is SQLITE else None,
    )


def _parameter(bind: Any, process: Processor | None) -> tuple[str | None, Processor | None, Any]:
    if bind.required:
        return bind.key, process, None
    return None, None, bind.value if process is None else process(bind.value)


def _bind_processor(type_: Any, dialect: Dialect) -> Processor | None:
    process: Processor | None = type_.dialect_impl(dialect).bind_processor(dialect) if dialect is SQLITE else None
    return process


def _row_reader(written: Any, dialect: Dialect) -> Callable[[Sequence[Any]], Any] | None:
    columns = getattr(written, "column_descriptions" if written.is_select else "returning_column_descriptions", None)
    if not columns:
        return None
    row: Any = namedtuple("row", [column["name"] or "" for column in columns], rename=True)  # type: ignore[misc]  # noqa: PYI024  names known at run time
    processors = [column["type"].dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    converted = [(index, process) for index, process in enumerate(processors) if process is not None]

    def read(values: Sequence[Any]) -> Any:
        changed = list(values)
        for index, process in converted:
            changed[index] = process(changed[index])
        return row._make(changed)

    return read
