"""Copying a whole SQLite database to PostgreSQL, for an installation that grows beyond one machine."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table, exists, func, select, text

from parley.adapters.sql.engine.failures import postgresql_failure
from parley.adapters.sql.engine.migrate import bring_up_to_date
from parley.adapters.sql.engine.search_tables import SEARCH_TABLES
from parley.adapters.sql.engine.sqlalchemy_connection import postgresql_transaction
from parley.adapters.sql.engine.sqlite_file import read_only_connection
from parley.adapters.sql.engine.statements import SQLITE, Statement
from parley.adapters.sql.engine.tables import leases, metadata, schema_compatibility
from parley.adapters.sql.engine.unusable import DatabaseUnusable

Connection = Any  # SQLAlchemy's AsyncConnection, which only `postgresql_transaction` may import

# So many rows are in memory at once; one may be a message of 32,000 characters.
BATCH = 500
# What running processes hold, what the schema says about itself, and the search index: each database has its own. The
# triggers of the target queue all that is copied for its index.
_NOT_COPIED = frozenset({leases.name, schema_compatibility.name, *(table.name for table in SEARCH_TABLES)})


@dataclass(frozen=True, slots=True)
class Progress:
    """`rows` of the table are copied, of `total`."""

    table: str
    rows: int
    total: int


async def copy_database(source: Path, target: str, report: Callable[[Progress], None]) -> None:
    """Copy every row of the file to the database at the URL, which gets its tables first, in one transaction.

    Nobody may write the file meanwhile. Raises DatabaseUnusable when a table of the target has rows, or a value has no
    equal there; then the target is as it was.
    """
    tables = [table for table in metadata.sorted_tables if table.name not in _NOT_COPIED]
    with closing(read_only_connection(source)) as file:
        # One snapshot for all tables.
        file.execute("BEGIN")
        async with postgresql_transaction(target) as connection:
            await connection.run_sync(bring_up_to_date)
            await _require_empty(connection, tables)
            for table in tables:
                await _copy_table(file, connection, table, report)
            # The planner knows nothing of the new rows yet. In the same transaction, so that a failure copies nothing.
            await connection.execute(text("ANALYZE"))


async def _require_empty(connection: Connection, tables: list[Table]) -> None:
    names = ", ".join(table.name for table in tables)
    # Processes that use the target already must not add rows now.
    await connection.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    for table in tables:
        if (await connection.execute(select(exists(select(table))))).scalar():
            raise DatabaseUnusable(f"has rows in its table {table.name} already: name an empty database")


async def _copy_table(
    file: sqlite3.Connection, connection: Connection, table: Table, report: Callable[[Progress], None]
) -> None:
    count = select(func.count()).select_from(table)
    (total,) = file.execute(Statement(count).compiled(SQLITE).text).fetchone()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    try:
        # One statement for all rows: references from one row to another of its table are checked at its end.
        await driver.copy_records_to_table(
            table.name, columns=[column.name for column in table.columns], records=_rows(file, table, total, report)
        )
    except asyncpg.DataError as error:
        # Such as a text with a NUL character, which only SQLite stores.
        raise DatabaseUnusable(f"cannot store a value of the table {table.name}: {type(error).__name__}") from None
    except asyncpg.PostgresError as error:
        raise postgresql_failure(error) from error
    copied = (await connection.execute(count)).scalar()
    if copied != total:
        raise DatabaseUnusable(f"has {copied} rows of {total} in its table {table.name}: nothing was copied")
    report(Progress(table.name, total, total))


async def _rows(
    file: sqlite3.Connection, table: Table, total: int, report: Callable[[Progress], None]
) -> AsyncGenerator[tuple[Any, ...], None]:
    """The rows with the types that the columns have in Python."""
    compiled = Statement(select(table)).compiled(SQLITE)
    cursor = file.execute(compiled.text)
    done = 0
    while batch := await asyncio.to_thread(cursor.fetchmany, BATCH):
        for row in compiled.rows(batch):
            yield tuple(row)
        done += len(batch)
        if done < total and done % (100 * BATCH) == 0:
            report(Progress(table.name, done, total))
