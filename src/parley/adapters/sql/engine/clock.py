"""The database's own clock, for leases: machines whose clocks are wrong still agree on it."""

from datetime import datetime
from typing import Any

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


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
    # SQLite keeps times as text and compares them as such: the format is the one that SQLAlchemy writes.
    seconds = compiler.process(element.clauses, **options)
    offset = f", printf('%+.3f seconds', {seconds})" if seconds else ""
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{offset})"
