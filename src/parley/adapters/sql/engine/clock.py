"""The database's own clock, for leases: machines whose clocks are wrong still agree on it."""

from datetime import datetime
from typing import Any

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement


class database_time(FunctionElement[datetime]):  # noqa: N801  SQL functions are spelt as in SQL
    """When the running statement began, plus some seconds: `database_time("lease")` takes them from that parameter."""

    type = DateTimeUTC(timezone=True)
    inherit_cache = True

    def __init__(self, seconds: str | float = 0.0) -> None:
        offset: BindParameter[float] = (
            bindparam(seconds, type_=Float()) if isinstance(seconds, str) else bindparam(None, seconds, type_=Float())
        )
        super().__init__(offset)


@compiles(database_time, "postgresql")
def _postgresql(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    return f"(statement_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(database_time, "sqlite")
def _sqlite(element: database_time, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite keeps times as text and compares them as such: the format is the one that SQLAlchemy writes.
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', printf('%+.3f seconds', {seconds}))"
