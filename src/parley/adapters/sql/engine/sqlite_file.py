"""Inspecting a SQLite file without changing it, before parley opens it for writing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from parley.adapters.sql.engine.causes import DAMAGED
from parley.adapters.sql.engine.migrate import (
    LIST_COMPATIBILITY,
    LIST_TABLES,
    LIST_VERSIONS,
    VERSION_TABLE,
    revision_of,
)
from parley.adapters.sql.engine.tables import schema_compatibility
from parley.adapters.sql.engine.unusable import DatabaseUnusable, driver_errors_explained


def inspect_file(file: Path) -> str | None:
    """The file's schema revision; None when the file is missing or empty, so that parley may make its tables there.

    Raises DatabaseUnusable for everything that parley must not or cannot write: another application's database, a newer
    schema that this version does not work with, a file that is no database, a folder, a file or folder without the
    right to write.
    """
    if file.is_dir():
        raise DatabaseUnusable("is a folder: name a file in it")
    if not file.parent.is_dir():
        raise DatabaseUnusable("cannot be made: its folder does not exist")
    for path in (file, file.parent):
        if path.exists() and not os.access(path, os.W_OK):
            raise DatabaseUnusable("is read-only: let this user write the file and its folder")
    if not file.exists() or file.stat().st_size == 0:
        return None
    with driver_errors_explained():
        return _read_revision(file)


def require_undamaged(file: Path) -> None:
    """Read every page of an existing file. Raises DatabaseUnusable when SQLite cannot make sense of one."""
    if not file.exists() or file.stat().st_size == 0:
        return
    with driver_errors_explained(), closing(read_only_connection(file)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DatabaseUnusable(DAMAGED)


def read_only_connection(file: Path) -> sqlite3.Connection:
    """For one thread at a time. It begins no transaction by itself and leaves no files behind."""
    address = f"file:{quote(str(file))}?{_read_only(file)}"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def _read_revision(file: Path) -> str | None:
    with closing(read_only_connection(file)) as connection:
        tables = {name for (name,) in connection.execute(LIST_TABLES["sqlite"])}
        versions, compatible = (
            [row[0] for row in connection.execute(listed)] if table in tables else []
            for table, listed in ((VERSION_TABLE, LIST_VERSIONS), (schema_compatibility.name, LIST_COMPATIBILITY))
        )
    return revision_of(tables, versions, compatible)


def _read_only(file: Path) -> str:
    """URI parameters of SQLite for reading without leaving files behind.

    Opening a database in WAL mode makes a log beside it unless it is opened as immutable, which is safe only while
    there is no -wal file.
    """
    return "mode=ro" if Path(f"{file}-wal").exists() else "mode=ro&immutable=1"
