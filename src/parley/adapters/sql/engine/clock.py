"""The database's own clock, for leases: machines whose clocks are wrong still agree on it.

SQLite serves one process: there it is that process's own, which nobody can set back.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from parley.adapters.sql.engine import forward_clock
from parley.adapters.sql.engine.column_types import DateTimeUTC


class database_time(FunctionElement[datetime]):  # noqa: N801  SQL functions are spelt as in SQL
    """When the running statement began; `database_time("lease")` adds the seconds of that parameter."""

    type = DateTimeUTC(timezone=True)
    inherit_cache = True

    def __init__(self, seconds: str | None = None) -> None:
        super().__init__(*(() if seconds is None else (bindparam(seconds, type_=Float()),)))


@compiles(database_time, "postgresql")
def _postgresql(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(statement_timestamp() + make_interval(secs => {seconds}))" if seconds else "statement_timestamp()"


@compiles(database_time, "sqlite")
def _sqlite(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    return f"{forward_clock.SQL_NAME}({compiler.process(element.clauses, **options) or 0})"
